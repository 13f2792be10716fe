import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0011_ledger_subject_type"),
        ("operations", "0003_tallies"),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                (
                    "kind",
                    models.CharField(
                        editable=False, max_length=30, primary_key=True, serialize=False
                    ),
                ),
                ("is_on", models.BooleanField(default=True, verbose_name="on")),
                (
                    "threshold",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "holds_for",
                    models.PositiveSmallIntegerField(
                        default=0,
                        help_text="How long it has to last before anybody is told, and to be gone before it is over. 0: at once.",
                        validators=[django.core.validators.MaxValueValidator(1440)],
                        verbose_name="minutes",
                    ),
                ),
            ],
            options={
                "verbose_name": "alert rule",
                "ordering": ["kind"],
            },
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=100)),
                ("title", models.CharField(max_length=200)),
                ("text", models.TextField()),
                ("link", models.CharField(max_length=300)),
                ("is_urgent", models.BooleanField(default=False)),
                ("seen_at", models.DateTimeField()),
                ("opened_at", models.DateTimeField(null=True)),
                ("gone_since", models.DateTimeField(null=True)),
                ("resolved_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        help_text="Null: it concerns the whole server.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="incidents",
                        to="agents.account",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="operations.alertrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-opened_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("email", "E-mail"), ("webhook", "Webhook")], max_length=7
                    ),
                ),
                (
                    "tells",
                    models.CharField(
                        choices=[("opened", "Opened"), ("resolved", "Over"), ("test", "Test")],
                        max_length=8,
                    ),
                ),
                ("recipient", models.TextField()),
                ("headline", models.CharField(max_length=250)),
                ("body", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("sent", "Sent"), ("failed", "Failed")],
                        default="pending",
                        max_length=7,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("lease_token", models.UUIDField(null=True)),
                (
                    "failure",
                    models.CharField(blank=True, help_text="Of the last attempt.", max_length=40),
                ),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "incidents",
                    models.ManyToManyField(related_name="notices", to="operations.incident"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                models.OrderBy(models.F("opened_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="incident_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None)),
                fields=("rule", "subject"),
                name="incident_stands_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resolved_at", None), ("opened_at__isnull", False), _connector="OR"
                ),
                name="incident_opened_before_resolved",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("status", "pending")),
                fields=["next_attempt_at"],
                name="notice_due",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="notice_created",
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_attempt_at__isnull", False), ("status", "pending")),
                    models.Q(
                        models.Q(("status", "pending"), _negated=True), ("next_attempt_at", None)
                    ),
                    _connector="OR",
                ),
                name="notice_pending_has_its_time",
            ),
        ),
    ]
