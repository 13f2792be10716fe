from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0008_queue"),
    ]

    operations = [
        migrations.AddField(
            model_name="dial",
            name="stray_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="dial",
            index=models.Index(
                condition=models.Q(("stray_since__isnull", False)),
                fields=["due_at"],
                name="dial_stray",
            ),
        ),
    ]
