"""How things stand at this moment, over all accounts: counts that an index bounds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Count, Min, QuerySet

from calls.models import WAITING, Call, Dial, Message
from core import heartbeat
from operations import rollups
from operations.figures import COUNTED_TO
from webhooks.models import Delivery, Subscription

log = structlog.get_logger(__name__)

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Queue:
    """What is due: how much, at most one more than COUNTED_TO, and for how many seconds."""

    depth: int
    oldest_age: float


def live_calls() -> dict[Labels, int]:
    """By carrier, mode and status."""
    live = Call.objects.active().order_by().values_list("carrier", "mode", "status")
    return {tuple(labels): count for *labels, count in live.annotate(count=Count("id"))}


def waiting_calls() -> dict[Labels, int]:
    return {
        (status,): Call.objects.filter(status=status).order_by()[: COUNTED_TO + 1].count()
        for status in map(str, WAITING)
    }


def queues(*, now: datetime) -> dict[str, Queue]:
    """Deliveries to webhooks that are left alone for a while wait by right."""
    silent = Subscription.objects.present().filter(resumes_at__gt=now)
    # What is left out is named, not what is kept: the first of them are found in the index then,
    # whatever there is behind them.
    due = Delivery.objects.due(now=now).exclude(subscription__in=silent)
    return {
        "calls": _queue(Call.objects.due(now=now), by="due_at", now=now),
        "dials": _queue(Dial.objects.to_look_at(now=now), by="due_at", now=now),
        "messages": _queue(Message.objects.due(now=now), by="due_at", now=now),
        "deliveries": _queue(due, by="next_attempt_at", now=now),
    }


def webhooks() -> dict[Labels, int]:
    by_status = Subscription.objects.present().order_by().values_list("status")
    return {(status,): count for status, count in by_status.annotate(count=Count("id"))}


def is_worker_heard() -> bool:
    """False as well where the cache does not answer: nobody knows then."""
    try:
        return heartbeat.last_heard() is not None
    except Exception as error:
        log.warning("heartbeat_not_read", error=type(error).__name__)
        return False


def rollup_lag(*, now: datetime) -> float:
    lag = rollups.lag(now=now)
    return float("inf") if lag is None else max(lag, timedelta()).total_seconds()


def _queue(rows: QuerySet[Any], *, by: str, now: datetime) -> Queue:
    some = rows.order_by(by)[: COUNTED_TO + 1]
    found = some.aggregate(depth=Count("pk"), since=Min(by))
    since = found["since"]
    return Queue(depth=found["depth"], oldest_age=(now - since).total_seconds() if since else 0.0)
