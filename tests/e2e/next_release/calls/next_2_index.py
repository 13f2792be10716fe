from django.db import migrations, models

from core.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("calls", "next_1_columns")]

    operations = [
        AddIndexBesideWriters("call", models.Index(fields=["next_count", "id"], name="call_next"))
    ]
