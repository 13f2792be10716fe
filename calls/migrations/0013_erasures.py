from django.db import migrations, models

import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0012_call_operator"),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number_digest", models.CharField(max_length=64)),
                ("actor", models.CharField(max_length=150)),
                ("calls", models.PositiveIntegerField()),
                ("messages", models.PositiveIntegerField()),
                ("events", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField()),
            ],
            options={"ordering": ["-created_at", "-id"]},
        ),
    ]
