"""How an endpoint does, in figures. A bounded number of rows is read, however much was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.utils import timezone

from webhooks.models import Attempt, Delivery, Subscription

WINDOW = timedelta(hours=24)
# Attempts are read of so many deliveries, the newest that were attempted.
DELIVERIES_READ = 500
ATTEMPTS_READ = 2000
BACKLOG_COUNTED = 100_000


@dataclass(frozen=True)
class Figures:
    """Durations are seconds. Without an attempt in the last 24 hours there are no rates."""

    attempts: int
    success_rate: float | None
    p50: float | None
    p95: float | None
    backlog: int
    failing_since: datetime | None


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


def percentile(ascending: Sequence[float], percent: int) -> float | None:
    """The nearest rank: the least value that `percent` of them do not exceed."""
    if not ascending:
        return None
    return ascending[ceil(len(ascending) * percent / 100) - 1]


def _recent_attempts(subscription: Subscription, *, since: datetime) -> list[tuple[float, str]]:
    attempted = Delivery.objects.filter(subscription=subscription, attempts__gt=0)
    newest = attempted.order_by("-created_at").values_list("id", flat=True)[:DELIVERIES_READ]
    attempts = Attempt.objects.filter(delivery__in=list(newest), started_at__gte=since)
    return list(attempts.order_by("-id").values_list("duration", "failure")[:ATTEMPTS_READ])
