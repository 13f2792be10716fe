from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0010_message_lane"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="dial",
            name="dial_asked",
        ),
        migrations.AddField(
            model_name="dial",
            name="last_asked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="dial",
            index=models.Index(fields=["last_asked_at"], name="dial_asked"),
        ),
    ]
