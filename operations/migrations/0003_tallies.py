from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0002_rollups"),
    ]

    operations = [
        migrations.AddField(
            model_name="watermark",
            name="tallied_to",
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=20)),
                ("labels", models.TextField(help_text="Their values, as a JSON array.")),
                ("bucket", models.PositiveSmallIntegerField()),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0.0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("name", "labels", "bucket"), name="tally")
                ],
            },
        ),
    ]
