import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0009_operator_access"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyHabit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField()),
                ("hour", models.DateTimeField()),
                ("requests", models.PositiveIntegerField(default=0)),
                ("peaks", models.JSONField(default=dict)),
                ("sites", models.JSONField(default=dict)),
                (
                    "api_key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="habit",
                        to="agents.apikey",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="UnusualUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("new_range", "New addresses"), ("volume", "Far more requests")],
                        max_length=9,
                    ),
                ),
                ("detail", models.TextField(help_text="A line each time.")),
                ("times", models.PositiveIntegerField(default=1)),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("last_at", models.DateTimeField()),
                ("dismissed_at", models.DateTimeField(blank=True, null=True)),
                ("dismissed_by", models.CharField(blank=True, max_length=150)),
                (
                    "api_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unusual_uses",
                        to="agents.apikey",
                    ),
                ),
            ],
            options={
                "ordering": ["-last_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("dismissed_at", None)),
                        fields=("api_key", "kind"),
                        name="unusual_use_open_once",
                    )
                ],
            },
        ),
    ]
