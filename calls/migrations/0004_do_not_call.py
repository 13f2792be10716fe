import django.db.models.deletion
from django.db import migrations, models

import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0003_carrier_credentials"),
    ]

    operations = [
        migrations.CreateModel(
            name="DoNotCall",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.CharField(max_length=16)),
                (
                    "note",
                    models.CharField(
                        blank=True, help_text="Why, and who asked for it.", max_length=200
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "do-not-call number",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="donotcall",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="do_not_call",
                to="agents.account",
            ),
        ),
        migrations.AddIndex(
            model_name="donotcall",
            index=models.Index(
                fields=["account", "-created_at", "-id"], name="do_not_call_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="donotcall",
            constraint=models.UniqueConstraint(
                fields=("account", "number"), name="do_not_call_unique"
            ),
        ),
    ]
