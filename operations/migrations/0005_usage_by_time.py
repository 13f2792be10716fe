from django.db import migrations, models

from core.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("operations", "0004_alerts_and_incidents")]

    operations = [
        AddIndexBesideWriters(
            model_name="apiusage",
            index=models.Index(fields=["span", "at"], name="api_usage_time"),
        )
    ]
