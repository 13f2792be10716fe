from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0005_calling_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("request_id", models.CharField(max_length=64)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("client_address", models.GenericIPAddressField(null=True)),
                (
                    "mode",
                    models.CharField(choices=[("live", "Live"), ("test", "Test")], max_length=4),
                ),
                ("carrier", models.CharField(max_length=40)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=9,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=60)),
                ("from_number", models.CharField(max_length=16)),
                ("to_number", models.CharField(max_length=16)),
                ("text", models.TextField()),
                ("segments", models.PositiveSmallIntegerField()),
                ("params", models.JSONField(null=True)),
                ("missing_params", models.JSONField(default=list)),
                ("price_per_segment", models.DecimalField(decimal_places=4, max_digits=10)),
                (
                    "reserved",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=14),
                ),
                ("cost", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("carrier_id", models.CharField(blank=True, max_length=100)),
                ("asks", models.PositiveSmallIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("deadline_at", models.DateTimeField(null=True)),
                ("lease_token", models.UUIDField(null=True)),
                ("events_published", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AlterField(
            model_name="idempotencykey",
            name="call",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, to="calls.call"
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="messages",
                to="agents.account",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="agent",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="messages",
                to="agents.agent",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="api_key",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="messages",
                to="agents.apikey",
            ),
        ),
        migrations.AddField(
            model_name="idempotencykey",
            name="message",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, to="calls.message"
            ),
        ),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("call__isnull", True), ("message__isnull", True), _connector="XOR"
                ),
                name="idempotency_key_for_one",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="msg_account",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("to_number"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="msg_to",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("status"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="msg_status",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="msg_created",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)), fields=["due_at"], name="msg_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", False), ("status__in", ["delivered", "failed"])),
                    models.Q(
                        models.Q(("status__in", ["delivered", "failed"]), _negated=True),
                        ("ended_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="message_ended_exactly_when_terminal",
            ),
        ),
    ]
