"""How an endpoint does, in figures. A bounded number of rows is read, however much was sent."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.db import connection
from django.utils import timezone

from webhooks.models import Attempt, Delivery, Subscription

WINDOW = timedelta(hours=24)
# Attempts are read of so many deliveries, the newest that were attempted.
DELIVERIES_READ = 500
ATTEMPTS_READ = 2000
BACKLOG_COUNTED = 100_000
# Of a history: of so many deliveries of each slice of time, the newest, so many attempts in all.
DELIVERIES_OF_A_SLICE = 50
ATTEMPTS_OF_A_HISTORY = 5000


@dataclass(frozen=True)
class Figures:
    """Durations are seconds. Without an attempt in the last 24 hours there are no rates."""

    attempts: int
    success_rate: float | None
    p50: float | None
    p95: float | None
    backlog: int
    failing_since: datetime | None


@dataclass(frozen=True)
class Slice:
    """The attempts at deliveries that were made in a slice of time. Durations are seconds."""

    since: datetime
    attempts: int
    success_rate: float | None
    p50: float | None
    p95: float | None


def figures_of(subscription: Subscription) -> Figures:
    attempts = _recent_attempts(subscription, since=timezone.now() - WINDOW)
    durations = sorted(duration for duration, _ in attempts)
    succeeded = sum(not failure for _, failure in attempts)
    waiting = Delivery.objects.filter(subscription=subscription, status=Delivery.Status.PENDING)
    return Figures(
        attempts=len(attempts),
        success_rate=round(succeeded / len(attempts), 4) if attempts else None,
        p50=percentile(durations, 50),
        p95=percentile(durations, 95),
        backlog=waiting.order_by()[:BACKLOG_COUNTED].count(),
        failing_since=subscription.failing_since,
    )


def history_of(
    subscription: Subscription, *, step: timedelta, count: int, now: datetime
) -> list[Slice]:
    """`count` slices of `step` up to now, oldest first, each a sample of its newest deliveries."""
    ends = now + step - (now - datetime.min.replace(tzinfo=UTC)) % step
    starts = [ends - step * number for number in range(count, 0, -1)]
    found: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for number, duration, failure in _sampled(subscription, starts=starts, step=step):
        found[number].append((duration, failure))
    return [_slice(since, found[number]) for number, since in enumerate(starts)]


def percentile(ascending: Sequence[float], percent: int) -> float | None:
    """The nearest rank: the least value that `percent` of them do not exceed."""
    if not ascending:
        return None
    return ascending[ceil(len(ascending) * percent / 100) - 1]


def _slice(since: datetime, attempts: Sequence[tuple[float, str]]) -> Slice:
    durations = sorted(duration for duration, _ in attempts)
    succeeded = sum(not failure for _, failure in attempts)
    return Slice(
        since=since,
        attempts=len(attempts),
        success_rate=succeeded / len(attempts) if attempts else None,
        p50=percentile(durations, 50),
        p95=percentile(durations, 95),
    )


# By one statement, ids and all: a thousand of them take longer to send back than to look up.
SAMPLED = """
SELECT slice.number, attempt.duration, attempt.failure
FROM ({slices}) AS slice JOIN webhooks_attempt AS attempt ON attempt.delivery_id = slice.id
ORDER BY attempt.id DESC LIMIT %s
"""


def _sampled(
    subscription: Subscription, *, starts: Sequence[datetime], step: timedelta
) -> list[tuple[int, float, str]]:
    """Attempts at the newest deliveries attempted of each slice, with the number of their slice:
    one look into the index for each slice."""
    attempted = Delivery.objects.filter(subscription=subscription, attempts__gt=0)
    parts: list[str] = []
    given: list[Any] = []
    for number, since in enumerate(starts):
        made = attempted.filter(created_at__gte=since, created_at__lt=since + step)
        newest = made.order_by("-created_at").values_list("id")[:DELIVERIES_OF_A_SLICE]
        sql, values = newest.query.sql_with_params()
        parts.append(f"SELECT {number} AS number, id FROM ({sql}) AS made")  # noqa: S608 - Django wrote it
        given += values
    with connection.cursor() as cursor:
        sampled = SAMPLED.format(slices=" UNION ALL ".join(parts))
        cursor.execute(sampled, [*given, ATTEMPTS_OF_A_HISTORY])
        return list(cursor.fetchall())


def _recent_attempts(subscription: Subscription, *, since: datetime) -> list[tuple[float, str]]:
    attempted = Delivery.objects.filter(subscription=subscription, attempts__gt=0)
    newest = attempted.order_by("-created_at").values("id")[:DELIVERIES_READ]
    attempts = Attempt.objects.filter(delivery__in=newest, started_at__gte=since)
    return list(attempts.order_by("-id").values_list("duration", "failure")[:ATTEMPTS_READ])
