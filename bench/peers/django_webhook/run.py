"""`run.py URL ENDPOINTS EVENTS`: empty tables, the endpoints, and their events in the queue."""

import os
import sys

import django
from hooks.celery import app  # noqa: F401 - before the library makes its tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.core.management import call_command
from django_webhook.models import (
    Webhook,
    WebhookSecret,
    WebhookTopic,
    populate_topics_from_settings,
)
from hooks.models import EndedCall

url, endpoints, events = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
call_command("migrate", run_syncdb=True, verbosity=0)
call_command("flush", interactive=False, verbosity=0)
populate_topics_from_settings()
topic = WebhookTopic.objects.get(name="hooks.EndedCall/create")
for number in range(endpoints):
    webhook = Webhook.objects.create(url=f"{url}/{number}")
    webhook.topics.add(topic)
    WebhookSecret.objects.create(webhook=webhook, token="of-a-benchmark-only")
for _ in range(events):
    EndedCall.objects.create(
        number="+14155550123", status="completed", duration=61, summary="x" * 250
    )
