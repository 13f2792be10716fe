from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0010_unusual_use"),
    ]

    operations = [
        migrations.AddField(
            model_name="ledgerentry",
            name="subject_type",
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AlterField(
            model_name="account",
            name="reserved",
            field=models.DecimalField(
                decimal_places=4,
                default=Decimal("0"),
                editable=False,
                help_text="Set aside for calls and messages that have not ended.",
                max_digits=14,
            ),
        ),
    ]
