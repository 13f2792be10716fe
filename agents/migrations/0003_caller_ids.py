import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_prices"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallerId",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=16)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="caller_ids",
                        to="agents.account",
                    ),
                ),
            ],
            options={
                "verbose_name": "caller id",
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(fields=("account", "number"), name="caller_id_unique")
                ],
            },
        ),
    ]
