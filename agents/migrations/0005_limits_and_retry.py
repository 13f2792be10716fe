from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0004_ledger_actor"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="calls_per_second",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many may start in one second. Empty: no limit.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="agent",
            name="calls_per_second",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many may start in one second. Empty: no limit.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="agent",
            name="max_concurrent_calls",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Calls under way at once. Empty: as its account may.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="agent",
            name="retry",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="agent",
            name="voice_url",
            field=models.CharField(
                blank=True,
                help_text="Where the carrier connects an answered call to, as wss://voice.example.org/calls.",
                max_length=2000,
            ),
        ),
        migrations.AlterField(
            model_name="account",
            name="max_concurrent_calls",
            field=models.PositiveIntegerField(
                default=30, help_text="Calls under way at once; more of them wait in the queue."
            ),
        ),
    ]
