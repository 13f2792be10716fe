from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_caller_ids"),
    ]

    operations = [
        migrations.AddField(
            model_name="ledgerentry",
            name="actor",
            field=models.CharField(
                blank=True, help_text="The operator who did it.", max_length=150
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("top_up", "Top Up"),
                    ("reserve", "Reserve"),
                    ("release", "Release"),
                    ("charge", "Charge"),
                    ("correction", "Correction"),
                ],
                max_length=10,
            ),
        ),
    ]
