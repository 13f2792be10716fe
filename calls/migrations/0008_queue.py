from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0007_results"),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="cancel_requested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="call",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="call",
            name="ignore_calling_hours",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="call",
            name="price_per_minute",
            field=models.DecimalField(decimal_places=4, default=Decimal("1"), max_digits=10),
        ),
        migrations.AddField(
            model_name="call",
            name="retry",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="call",
            name="scheduled_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("status", "queued")),
                fields=["account", "mode", "agent", "carrier", "due_at", "id"],
                name="call_lane",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("status__in", ("dialing", "ringing", "in_progress"))),
                fields=["carrier", "account", "mode", "agent"],
                name="call_active",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("status", "scheduled")),
                fields=["due_at"],
                name="call_scheduled",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("status__in", ("scheduled", "queued"))),
                fields=["expires_at"],
                name="call_expiring",
            ),
        ),
        migrations.AddIndex(
            model_name="dial",
            index=models.Index(fields=["asked_at"], name="dial_asked"),
        ),
    ]
