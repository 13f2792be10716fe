import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0007_key_ranges"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="replaces",
            field=models.OneToOneField(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="successor",
                to="agents.apikey",
            ),
        ),
    ]
