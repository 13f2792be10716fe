"""What the outcome of an attempt says about its endpoint."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks.models import Delivery, Subscription

FAILING_FOR = timedelta(days=5)
MOST_PAUSE = timedelta(days=1)
GONE = 410
ASKS_TO_WAIT = (429, 503)

Status = Subscription.Status


def note_success(subscription: Subscription) -> None:
    if subscription.failing_since:
        Subscription.objects.filter(id=subscription.id).update(failing_since=None)
        subscription.failing_since = None


def note_failure(
    subscription: Subscription, *, status: int | None, retry_after: str | None, now: datetime
) -> None:
    """Gone disables at once, five days of nothing but failure too; Retry-After is obeyed."""
    if subscription.failing_since is None:
        Subscription.objects.filter(id=subscription.id, failing_since=None).update(
            failing_since=now
        )
        subscription.failing_since = now
    if status == GONE:
        disable(subscription, reason="gone")
    elif now - subscription.failing_since >= FAILING_FOR:
        disable(subscription, reason="failing_for_5_days")
    elif status in ASKS_TO_WAIT and (pause := pause_asked(retry_after, now=now)):
        Subscription.objects.filter(id=subscription.id).update(resumes_at=now + pause)


def disable(subscription: Subscription, *, reason: str) -> None:
    """Send nothing more to it; what is on its way is held, not thrown away."""
    disabled = Subscription.objects.filter(id=subscription.id, status=Status.ENABLED).update(
        status=Status.DISABLED, status_reason=reason
    )
    if disabled:
        hold_deliveries(subscription)


def hold_deliveries(subscription: Subscription) -> None:
    Delivery.objects.filter(subscription=subscription, status=Delivery.Status.PENDING).update(
        status=Delivery.Status.HELD, next_attempt_at=None
    )


def release_deliveries(subscription: Subscription, *, now: datetime) -> None:
    """What was held is due now."""
    Delivery.objects.filter(subscription=subscription, status=Delivery.Status.HELD).update(
        status=Delivery.Status.PENDING, next_attempt_at=now
    )


def pause_asked(retry_after: str | None, *, now: datetime) -> timedelta | None:
    """How long `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); a day at most."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return min(timedelta(seconds=min(int(retry_after), 86_400)), MOST_PAUSE)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), MOST_PAUSE) or None
