from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0006_key_scopes"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="allowed_ranges",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="CIDRs it may be used from. Empty: from anywhere.",
            ),
        ),
    ]
