from django.db import migrations, models
from django.db.models import F, Q

from core.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("calls", "0013_erasures")]

    operations = [
        AddIndexBesideWriters(
            model_name="call",
            index=models.Index(
                F("account"),
                F("status"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(status__in=["failed", "canceled"]),
                name="call_account_lost",
            ),
        )
    ]
