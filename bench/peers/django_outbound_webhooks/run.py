"""`run.py URL ENDPOINTS EVENTS`: empty tables, the endpoints, and their events in the outbox."""

import base64
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.core.management import call_command
from django.db import transaction
from django_domain_events import fire
from django_outbound_webhooks import register_endpoint
from hooks.events import CallEnded

url, endpoints, events = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
call_command("migrate", run_syncdb=True, verbosity=0)
call_command("flush", interactive=False, verbosity=0)
secret = "whsec_" + base64.b64encode(b"of-a-benchmark-of-32-bytes-in-it").decode()
for number in range(endpoints):
    register_endpoint(
        name=f"Endpoint {number}",
        url=f"{url}/{number}",
        secret=secret,
        event_names=["hooks.CallEnded"],
    )
for _ in range(events):
    with transaction.atomic():
        fire(CallEnded(number="+14155550123", status="completed", duration=61, summary="x" * 250))
