"""What the outcomes of attempts say about their endpoint: its circuit, its silence, its end."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from core.backoff import jittered
from webhooks.models import CIRCUIT_OPENS_AFTER, Delivery, Subscription
from webhooks.publishing import publish_disabled

log = structlog.get_logger(__name__)

FAILING_FOR = timedelta(days=5)
MOST_PAUSE = timedelta(days=1)
GONE = 410
SECONDS = re.compile(r"\s*[0-9]{1,9}\s*", re.ASCII)
ASKS_TO_WAIT = (429, 503)
SHORTEST_PROBE_WAIT = timedelta(seconds=5)
LONGEST_PROBE_WAIT = timedelta(seconds=60)

Status = Subscription.Status


def note_success(subscription: Subscription) -> None:
    """It answers: close its circuit, and let its backlog go."""
    if not subscription.failing_since:
        return
    healed: dict[str, object] = {"failing_since": None, "failures_in_row": 0}
    if subscription.failures_in_row >= CIRCUIT_OPENS_AFTER:
        healed["resumes_at"] = None
    Subscription.objects.filter(id=subscription.id).update(**healed)


def note_failures(
    subscription: Subscription,
    *,
    count: int,
    status: int | None,
    retry_after: str | None,
    now: datetime,
) -> None:
    """`count` attempts failed and none succeeded; `status` and `retry_after` are the last one's.

    Gone disables at once, five days of nothing but failure too; Retry-After is obeyed.
    """
    since = subscription.failing_since or now
    if subscription.failing_since is None:
        rows = Subscription.objects.filter(id=subscription.id, failing_since=None)
        rows.update(failing_since=now)
    failures = subscription.failures_in_row + count
    changes: dict[str, object] = {"failures_in_row": F("failures_in_row") + count}
    if pause := _pause(status, retry_after, failures=failures, failing_for=now - since, now=now):
        changes["resumes_at"] = _later(subscription, now + pause)
    Subscription.objects.filter(id=subscription.id).update(**changes)
    if status == GONE:
        disable(subscription, reason="gone")
    elif now - since >= FAILING_FOR:
        disable(subscription, reason="failing_for_5_days")


def disable(subscription: Subscription, *, reason: str) -> None:
    """Send nothing more to it; what is on its way is held, not thrown away."""
    disabled = Subscription.objects.filter(id=subscription.id, status=Status.ENABLED).update(
        status=Status.DISABLED, status_reason=reason
    )
    if disabled:
        hold_deliveries(subscription)
        publish_disabled(subscription, reason=reason)
        log.warning("endpoint_disabled", webhook=subscription.native_id, reason=reason)


def hold_deliveries(subscription: Subscription) -> None:
    """Hold what waits; what is being posted is left to that attempt, and held after it."""
    waiting = Delivery.objects.filter(subscription=subscription, status=Delivery.Status.PENDING)
    waiting.not_being_sent(now=timezone.now()).update(
        status=Delivery.Status.HELD, next_attempt_at=None, lease_token=None
    )


def release_deliveries(subscription: Subscription, *, now: datetime) -> None:
    """What was held is due now."""
    Delivery.objects.filter(subscription=subscription, status=Delivery.Status.HELD).update(
        status=Delivery.Status.PENDING, next_attempt_at=now
    )


def probe_wait(failing_for: timedelta) -> timedelta:
    """How long to leave an endpoint alone that has failed for so long."""
    wait = min(max(failing_for / 4, SHORTEST_PROBE_WAIT), LONGEST_PROBE_WAIT)
    return jittered(wait)


def pause_asked(retry_after: str | None, *, now: datetime) -> timedelta | None:
    """How long `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); a day at most."""
    if not retry_after:
        return None
    if SECONDS.fullmatch(retry_after):
        return min(timedelta(seconds=int(retry_after)), MOST_PAUSE)
    try:
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return min(max(until - now, timedelta()), MOST_PAUSE) or None
    except (ValueError, TypeError, OverflowError):
        return None  # it is anybody's text


def _later(subscription: Subscription, until: datetime) -> object:
    """A probe's outcome replaces the pause that it was sent under; any other failure may lengthen
    a pause that another answer asked for, never cut it short."""
    if subscription.failures_in_row >= CIRCUIT_OPENS_AFTER:
        return until
    return Greatest(Coalesce("resumes_at", Value(until)), Value(until))


def _pause(
    status: int | None,
    retry_after: str | None,
    *,
    failures: int,
    failing_for: timedelta,
    now: datetime,
) -> timedelta | None:
    asked = pause_asked(retry_after, now=now) if status in ASKS_TO_WAIT else None
    if asked:
        return asked
    return probe_wait(failing_for) if failures >= CIRCUIT_OPENS_AFTER else None
