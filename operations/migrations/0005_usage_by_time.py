from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0004_alerts_and_incidents")]

    operations = [
        migrations.AddIndex(
            model_name="apiusage",
            index=models.Index(fields=["span", "at"], name="api_usage_time"),
        )
    ]
