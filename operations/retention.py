"""What is old goes, oldest first, in small transactions. Never what is still to be sent or counted.

Calls, messages, the ledger and do-not-call lists stay: they are the accounts' books.
"""

import time
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from calls.models import CallEvent
from operations.models import Watermark
from webhooks.models import Attempt, Delivery, Event

# Rows that one transaction deletes, and how long one run goes on; the next one does the rest.
BATCH = 1_000
RUN_SECONDS = 60.0

OVER = (Delivery.Status.DELIVERED, Delivery.Status.FAILED, Delivery.Status.CANCELED)


def prune_history(*, now: datetime, seconds: float = RUN_SECONDS) -> None:
    """Delete what is older than KEEP_EVENTS_DAYS and KEEP_TIMELINES_DAYS."""
    ends = time.monotonic() + seconds
    if settings.KEEP_EVENTS:
        before = now - settings.KEEP_EVENTS
        _prune_oldest_first(_deliveries_over(before=before), ends=ends)
        _prune_oldest_first(_events_told(before=before), ends=ends)
    if settings.KEEP_TIMELINES:
        _prune_timelines(before=now - settings.KEEP_TIMELINES, ends=ends)


def _deliveries_over(*, before: datetime) -> QuerySet[Delivery]:
    """Those whose attempts, which go with them, are all counted."""
    uncounted = Attempt.objects.filter(delivery=OuterRef("pk"), id__gt=_counted_to("attempts"))
    old = Delivery.objects.filter(~Exists(uncounted), created_at__lt=before, status__in=OVER)
    # One that was held for long may have ended just now.
    return old.exclude(ended_at__gte=before)


def _events_told(*, before: datetime) -> QuerySet[Event]:
    """Those that no delivery is left of."""
    left = Delivery.objects.filter(event=OuterRef("pk"))
    return Event.objects.filter(~Exists(left), created_at__lt=before)


def _prune_oldest_first(rows: "QuerySet[Delivery] | QuerySet[Event]", *, ends: float) -> None:
    rest = rows.order_by("created_at")
    while time.monotonic() < ends:
        with transaction.atomic():
            # A delivery that is asked for again at this moment is not over any more.
            free = rest.select_for_update(skip_locked=True, of=("self",))
            batch = list(free.values_list("pk", "created_at")[:BATCH])
            rows.model._default_manager.filter(pk__in=[pk for pk, _ in batch]).delete()
        if len(batch) < BATCH:
            return
        # What was passed by, being held or pending, is not looked at again in this run.
        rest = rest.filter(created_at__gte=batch[-1][1])


def _prune_timelines(*, before: datetime, ends: float) -> None:
    """The lines of calls that ended long ago. They are only appended, so ids go by their age."""
    lines = CallEvent.objects.filter(id__lte=_counted_to("calls")).order_by("id")
    while time.monotonic() < ends:
        batch = list(lines.values_list("id", "at", "call__ended_at")[:BATCH])
        over = [id for id, at, ended_at in batch if at < before and ended_at and ended_at < before]
        CallEvent.objects.filter(id__in=over).delete()
        if len(batch) < BATCH or batch[-1][1] >= before:
            return
        lines = lines.filter(id__gt=batch[-1][0])


def _counted_to(name: str) -> int:
    """Up to which row the figures have counted; none where they have not begun."""
    watermark = Watermark.objects.filter(name=name).first()
    return watermark.counted_to if watermark else 0
