from django.db import migrations, models

import agents.scopes


class Migration(migrations.Migration):
    """Keys that exist already may do all they could."""

    dependencies = [
        ("agents", "0005_limits_and_retry"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="scopes",
            field=models.JSONField(
                default=agents.scopes.all_scopes, help_text="What it may be used for."
            ),
        ),
    ]
