from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0006_messages"),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="recording_url",
            field=models.CharField(blank=True, max_length=2000),
        ),
        migrations.AddField(
            model_name="call",
            name="summary",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="call",
            name="transcript",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="dial",
            name="answered_by",
            field=models.CharField(blank=True, max_length=10),
        ),
    ]
