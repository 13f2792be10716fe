"""What the outcomes of attempts say about their endpoint: its circuit, its silence, its end."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog
from django.utils import timezone

from core.backoff import jittered
from webhooks.models import CIRCUIT_OPENS_AFTER, LEASE, Delivery, Subscription
from webhooks.publishing import publish_disabled

log = structlog.get_logger(__name__)

FAILING_FOR = timedelta(days=5)
MOST_PAUSE = timedelta(days=1)
GONE = 410
SECONDS = re.compile(r"\s*[0-9]{1,9}\s*", re.ASCII)
ASKS_TO_WAIT = (429, 503)
# How many deliveries a change of status moves by itself.
AT_ONCE = 1000
SHORTEST_PROBE_WAIT = timedelta(seconds=5)
LONGEST_PROBE_WAIT = timedelta(seconds=60)

Status = Subscription.Status


@dataclass(frozen=True)
class Outcomes:
    """What the attempts of one batch to one endpoint came to."""

    succeeded: int
    failed: int
    is_gone: bool
    # The longest silence that any of the answers asked for.
    pause: timedelta | None


def judge(endpoint: Subscription, outcomes: Outcomes, *, now: datetime) -> None:
    """Write what the outcomes say. `endpoint` is the row as it is now, locked.

    Gone disables at once, five days of nothing but failure too. A success closes the circuit.
    """
    was_probed = endpoint.failures_in_row >= CIRCUIT_OPENS_AFTER
    if outcomes.succeeded:
        endpoint.failing_since, endpoint.failures_in_row, waits = None, 0, [outcomes.pause]
    else:
        endpoint.failing_since = endpoint.failing_since or now
        endpoint.failures_in_row += outcomes.failed
        waits = [outcomes.pause, _circuit_wait(endpoint, now=now)]
    # A probe's outcome replaces the pause that it was sent under, which is at most its lease. One
    # that an answer asked for may be lengthened and is never cut short.
    asked_for = not was_probed or (endpoint.resumes_at or now) > now + LEASE
    moments = [endpoint.resumes_at] if asked_for else []
    moments += [now + wait for wait in waits if wait]
    endpoint.resumes_at = max((moment for moment in moments if moment), default=None)
    endpoint.save(update_fields=["failing_since", "failures_in_row", "resumes_at"])
    if outcomes.is_gone:
        disable(endpoint, reason="gone")
    elif _has_failed_for_days(endpoint, now=now):
        disable(endpoint, reason="failing_for_5_days")


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
    """Hold what waits; what is being posted is left to that attempt.

    The first of them, that is: nothing is sent to an endpoint that is not enabled, so the rest of
    a long backlog can be left to `outbox.mend`, where nobody waits for it.
    """
    waiting = Delivery.objects.filter(subscription=subscription, status=Delivery.Status.PENDING)
    first = waiting.not_being_sent(now=timezone.now()).values_list("id", flat=True)[:AT_ONCE]
    Delivery.objects.filter(id__in=list(first)).update(
        status=Delivery.Status.HELD, next_attempt_at=None, lease_token=None
    )


def release_deliveries(subscription: Subscription, *, now: datetime) -> None:
    """What was held is due now: the first of it at once, the rest by `outbox.mend`."""
    held = Delivery.objects.filter(subscription=subscription, status=Delivery.Status.HELD)
    first = list(held.order_by("created_at").values_list("id", flat=True)[:AT_ONCE])
    Delivery.objects.filter(id__in=first).update(
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


def _circuit_wait(endpoint: Subscription, *, now: datetime) -> timedelta | None:
    if endpoint.failures_in_row < CIRCUIT_OPENS_AFTER:
        return None
    return probe_wait(now - (endpoint.failing_since or now))


def _has_failed_for_days(endpoint: Subscription, *, now: datetime) -> bool:
    # Two failures five days apart, with nothing sent between, are no five days of failure.
    if not endpoint.failing_since or endpoint.failures_in_row < CIRCUIT_OPENS_AFTER:
        return False
    return now - endpoint.failing_since >= FAILING_FOR
