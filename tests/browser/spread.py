"""What happened within a minute is moved apart, over the day before, as an account's day looks.

Runs within an install: `manage.py shell -c "from tests.browser.spread import spread; spread()"`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import cycle
from random import Random
from typing import Any

from django.db.models import DateTimeField, F, QuerySet
from django.utils import timezone

from agents.models import Account, Agent, ApiKey, LedgerEntry
from calls.models import TERMINAL, Call, CallEvent, Dial
from core.histogram import BOUNDS
from core.observing import Answered
from operations import usage
from operations.models import ApiAddress, ApiUsage
from operations.rollups import rebuild
from operations.spans import Span
from webhooks.models import Attempt, Delivery, Event, Subscription

# How busy each hour of the clock is, beside the others.
BUSY = (1, 1, 0, 0, 1, 1, 2, 4, 7, 10, 11, 9, 6, 8, 10, 11, 9, 8, 6, 4, 3, 2, 2, 1)
# The newest calls stay where they are seen to happen.
UNTIL = timedelta(minutes=10)
# How long the account has been there.
AGE = timedelta(days=23)


def spread() -> None:
    """Move the calls that ended, what was told of them, and the requests to the API."""
    calls = list(Call.objects.filter(status__in=TERMINAL).order_by("created_at", "id"))
    times = _times(len(calls), now=timezone.now())
    for call, at in zip(calls, times, strict=True):
        _move(call, by=call.created_at - at)
    for model in (Account, Agent, ApiKey, Subscription):
        model._default_manager.update(created_at=F("created_at") - AGE)
    _move_usage(times)
    rebuild()


def _times(count: int, *, now: datetime) -> Sequence[datetime]:
    """The same at each run on one hour; the oldest first."""
    random = Random(7)
    minutes = range(int(UNTIL.total_seconds() // 60), 24 * 60 - 30)
    weights = [BUSY[(now - timedelta(minutes=one)).hour] for one in minutes]
    ago = sorted(random.choices(minutes, weights, k=count), reverse=True)
    return [now - timedelta(minutes=one, seconds=random.uniform(0, 60)) for one in ago]


def _move(call: Call, *, by: timedelta) -> None:
    events = Event.objects.filter(subject=call.native_id)
    deliveries = Delivery.objects.filter(event__subject=call.native_id)
    _move_rows(Attempt.objects.filter(delivery__in=deliveries), by=by)
    _move_rows(deliveries, by=by)
    _move_rows(events, by=by)
    _move_rows(LedgerEntry.objects.filter(subject_id=call.id), by=by)
    _move_rows(CallEvent.objects.filter(call=call), by=by)
    _move_rows(Dial.objects.filter(call=call), by=by)
    _move_rows(Call.objects.filter(id=call.id), by=by)


def _move_rows(rows: QuerySet[Any], *, by: timedelta) -> None:
    fields = [one.name for one in rows.model._meta.fields if isinstance(one, DateTimeField)]
    rows.update(**{name: F(name) - by for name in fields})


def _move_usage(times: Sequence[datetime]) -> None:
    """Count the same requests again, at the times of the calls."""
    counted = [row for row in ApiUsage.objects.filter(span=Span.FIVE_MINUTES) if row.api_key_id]
    ApiUsage.objects.all().delete()
    ApiAddress.objects.all().delete()
    when = cycle(Random(11).sample(times, len(times)))
    for row in counted:
        for status in _statuses(row):
            usage.record(_answered(row, status=status, at=next(when)))
    usage.flush()


def _statuses(row: ApiUsage) -> list[int]:
    bad = [400] * row.client_errors + [500] * row.server_errors + [429] * row.limit_hits
    return bad + [200] * (row.requests - len(bad))


def _answered(row: ApiUsage, *, status: int, at: datetime) -> Answered:
    return Answered(
        at=at,
        key_id=row.api_key_id,
        surface=row.surface,
        method="GET",
        route="api/v1/calls",
        status=status,
        seconds=BOUNDS[min(row.took, len(BOUNDS) - 1)],
        address="127.0.0.1",
    )
