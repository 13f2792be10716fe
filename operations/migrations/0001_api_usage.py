import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("agents", "0005_limits_and_retry"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(help_text="When the hour began.")),
                ("address", models.GenericIPAddressField()),
                ("requests", models.PositiveIntegerField(default=0)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="Null: no key was recognised.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="addresses",
                        to="agents.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "API addresses",
                "indexes": [models.Index(fields=["api_key", "at"], name="api_address_key")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("api_key__isnull", False)),
                        fields=("at", "api_key", "address"),
                        name="api_address_of_key",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("api_key__isnull", True)),
                        fields=("at", "address"),
                        name="api_address_of_nobody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiUsage",
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
                ("surface", models.CharField(max_length=6)),
                ("took", models.PositiveSmallIntegerField()),
                ("requests", models.PositiveIntegerField(default=0)),
                ("client_errors", models.PositiveIntegerField(default=0, help_text="4xx but 429.")),
                ("server_errors", models.PositiveIntegerField(default=0)),
                ("limit_hits", models.PositiveIntegerField(default=0)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="Null: no key was recognised.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="usage",
                        to="agents.apikey",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["api_key", "span", "at"], name="api_usage_key")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("api_key__isnull", False)),
                        fields=("span", "at", "api_key", "surface", "took"),
                        name="api_usage_of_key",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("api_key__isnull", True)),
                        fields=("span", "at", "surface", "took"),
                        name="api_usage_of_nobody",
                    ),
                ],
            },
        ),
    ]
