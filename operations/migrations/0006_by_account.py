from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0012_second_factor"),
        ("operations", "0005_usage_by_time"),
    ]

    operations = [
        migrations.AddField(
            model_name="watermark",
            name="by_account_to",
            field=models.BigIntegerField(null=True),
        ),
        migrations.CreateModel(
            name="AccountAttemptRollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slot",
                    models.PositiveIntegerField(
                        choices=[
                            (300, "Five Minutes"),
                            (3600, "Hour"),
                            (21600, "Quarter Day"),
                            (86400, "Day"),
                        ]
                    ),
                ),
                ("at", models.DateTimeField(help_text="When the slot began.")),
                ("took", models.PositiveSmallIntegerField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("slot", "account", "at", "took"), name="account_attempt_rollup"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountCallRollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slot",
                    models.PositiveIntegerField(
                        choices=[
                            (300, "Five Minutes"),
                            (3600, "Hour"),
                            (21600, "Quarter Day"),
                            (86400, "Day"),
                        ]
                    ),
                ),
                ("at", models.DateTimeField(help_text="When the slot began.")),
                (
                    "mode",
                    models.CharField(choices=[("live", "Live"), ("test", "Test")], max_length=4),
                ),
                ("outcome", models.CharField(max_length=11)),
                ("calls", models.PositiveIntegerField(default=0)),
                (
                    "cost",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=16),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("slot", "account", "at", "mode", "outcome"),
                        name="account_call_rollup",
                    )
                ],
            },
        ),
    ]
