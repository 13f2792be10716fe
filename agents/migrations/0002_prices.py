import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Price",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "prefix",
                    models.CharField(
                        help_text="The start of the numbers it is for, as +44 or +1415.",
                        max_length=16,
                    ),
                ),
                (
                    "per_minute",
                    models.DecimalField(
                        decimal_places=4,
                        help_text="Credits for a started minute of a call.",
                        max_digits=10,
                    ),
                ),
                (
                    "per_segment",
                    models.DecimalField(
                        decimal_places=4,
                        help_text="Credits for a segment of a message.",
                        max_digits=10,
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: for every account that has none of its own.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="agents.account",
                    ),
                ),
            ],
            options={
                "ordering": ["prefix"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "prefix"), name="price_of_account_unique"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("account", None)),
                        fields=("prefix",),
                        name="price_of_everybody_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("per_minute__gte", 0), ("per_segment__gte", 0)),
                        name="price_not_negative",
                    ),
                ],
            },
        ),
    ]
