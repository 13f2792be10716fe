"""What was told of somebody, taken out of the log: the events stay, with their ids and outcomes."""

import json
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from webhooks.models import Attempt, Delivery, Event


class BeingSent(Exception):
    """A worker is posting an event of theirs, and will write down what it is answered."""


@transaction.atomic
def erase_told(subjects: Sequence[str], *, fields: Mapping[str, object]) -> int:
    """Put `fields` in the place of what the events about these subjects say under the same names.

    Receivers' answers go too: some say back what they were sent. So do the headers sent: a
    signature is made of the body, and there are few enough numbers to try them all. How many events
    there were.
    """
    events = list(Event.objects.select_for_update().filter(subject__in=subjects))
    _hold_back(events)
    for event in events:
        event.body = _without(event.body, fields)
        event.zapier_body = event.zapier_body and _without(event.zapier_body, fields)
    Event.objects.bulk_update(events, ["body", "zapier_body"], batch_size=500)
    attempts = Attempt.objects.filter(delivery__event__in=events)
    attempts.update(request_headers={}, response_body="", response_headers={})
    return len(events)


def _hold_back(events: Sequence[Event]) -> None:
    """Lock their deliveries, so that no worker leases one before the bodies are changed."""
    theirs = Delivery.objects.filter(event__in=events)
    free = theirs.not_being_sent(now=timezone.now()).select_for_update(skip_locked=True)
    if busy := theirs.count() - len(free.values_list("id", flat=True)):
        raise BeingSent(f"{busy} of its webhook deliveries are being sent")


def _without(body: str, fields: Mapping[str, object]) -> str:
    told = json.loads(body)
    # A native event has them in its `data`, Zapier's is flat.
    data = told.get("data", told)
    data.update({name: value for name, value in fields.items() if name in data})
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
