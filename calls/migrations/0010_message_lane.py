from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0009_stray_dials"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False), ("ended_at__isnull", True)),
                fields=["carrier", "account", "due_at", "id"],
                name="msg_lane",
            ),
        ),
    ]
