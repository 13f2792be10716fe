from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0003_no_index_twice")]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                F("status"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(status__in=["failed", "held", "canceled"]),
                name="delivery_not_delivered",
            ),
        )
    ]
