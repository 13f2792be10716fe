from django.db import migrations, models
from django.db.models import F, Q

from core.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("webhooks", "0004_delivery_not_delivered")]

    operations = [
        AddIndexBesideWriters(
            model_name="delivery",
            index=models.Index(
                F("subscription"),
                F("status"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(status__in=["failed", "held", "canceled"]),
                name="delivery_log_not_delivered",
            ),
        )
    ]
