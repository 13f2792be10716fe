import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0004_do_not_call"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallingRules",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hours", models.JSONField(blank=True, null=True)),
                (
                    "calls_per_person_per_day",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Dials of one number in one day of its own. Empty: any.",
                        null=True,
                    ),
                ),
                ("countries", models.JSONField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "calling rules",
                "verbose_name_plural": "calling rules",
            },
        ),
        migrations.AddField(
            model_name="callingrules",
            name="account",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="calling_rules",
                to="agents.account",
            ),
        ),
    ]
