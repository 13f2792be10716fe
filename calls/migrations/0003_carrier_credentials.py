import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0005_limits_and_retry"),
        ("calls", "0002_call_fingerprint"),
    ]

    operations = [
        migrations.CreateModel(
            name="CarrierCredentials",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("carrier", models.CharField(max_length=40)),
                ("encrypted", models.TextField(editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "carrier credentials",
                "verbose_name_plural": "carrier credentials",
                "ordering": ["carrier"],
            },
        ),
        migrations.AddField(
            model_name="carriercredentials",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="credentials",
                to="agents.account",
            ),
        ),
        migrations.AddConstraint(
            model_name="carriercredentials",
            constraint=models.UniqueConstraint(
                fields=("account", "carrier"), name="credentials_unique"
            ),
        ),
    ]
