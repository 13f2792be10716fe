from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0005_limits_and_retry"),
        ("operations", "0001_api_usage"),
        ("webhooks", "0003_no_index_twice"),
    ]

    operations = [
        migrations.CreateModel(
            name="Watermark",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("counted_to", models.BigIntegerField(default=0)),
                ("looked_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="AttemptRollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "span",
                    models.PositiveIntegerField(
                        choices=[(300, "Five Minutes"), (3600, "Hour"), (86400, "Day")]
                    ),
                ),
                ("at", models.DateTimeField(help_text="When the span began.")),
                ("took", models.PositiveSmallIntegerField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "subscription",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="webhooks.subscription",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["subscription", "span", "at"], name="attempt_rollup_webhook"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("span", "at", "subscription", "took"), name="attempt_rollup"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CallRollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "span",
                    models.PositiveIntegerField(
                        choices=[(300, "Five Minutes"), (3600, "Hour"), (86400, "Day")]
                    ),
                ),
                ("at", models.DateTimeField(help_text="When the span began.")),
                ("carrier", models.CharField(max_length=40)),
                (
                    "mode",
                    models.CharField(choices=[("live", "Live"), ("test", "Test")], max_length=4),
                ),
                ("outcome", models.CharField(max_length=11)),
                (
                    "reason",
                    models.CharField(
                        help_text="`other` where it is no name of ours.", max_length=60
                    ),
                ),
                ("calls", models.PositiveIntegerField(default=0)),
                ("talk_seconds", models.PositiveBigIntegerField(default=0)),
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
                (
                    "agent",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.agent",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "span",
                            "at",
                            "account",
                            "agent",
                            "carrier",
                            "mode",
                            "outcome",
                            "reason",
                        ),
                        name="call_rollup",
                    )
                ],
            },
        ),
    ]
