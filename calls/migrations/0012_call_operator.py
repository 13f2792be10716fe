from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0011_last_ask"),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="operator",
            field=models.CharField(blank=True, max_length=150),
        ),
    ]
