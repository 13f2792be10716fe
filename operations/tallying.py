"""What the logs of calls and attempts add to the tallies, rows `after` one id up `to` another."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef

from calls.models import WAITING, CallEvent, Status
from operations.tallies import ACCEPTED, ATTEMPTS, CALLS, DELIVERIES, DIALS, Tallies
from webhooks.models import Attempt

DELIVERED, FAILED, GIVEN_UP = OUTCOMES = ("delivered", "failed", "given_up")


def of_calls(ends: Iterable[tuple[Any, ...]], *, after: int, to: int) -> Tallies:
    """`ends` are those that the rollup counts."""
    tallies = Tallies()
    for _, (_, _, carrier, mode, outcome, reason), (_, talked, _) in ends:
        tallies.add(CALLS, carrier, mode, outcome, reason, seconds=talked)
    _add_accepted(tallies, after=after, to=to)
    _add_dials(tallies, after=after, to=to)
    return tallies


def of_attempts(*, after: int, to: int) -> Tallies:
    tallies = Tallies()
    earlier = Attempt.objects.filter(
        delivery=OuterRef("delivery"), failure="", id__lt=OuterRef("id")
    )
    columns = ("number", "started_at", "duration", "failure", "made_at", "surface", "is_known")
    made = Attempt.objects.filter(id__gt=after, id__lte=to).order_by()
    told = made.annotate(
        made_at=F("delivery__created_at"),
        surface=F("delivery__subscription__surface"),
        is_known=Exists(earlier),
    )
    for number, at, duration, failure, made_at, surface, is_known in told.values_list(*columns):
        outcome = _outcome(failure, number=number)
        tallies.add(ATTEMPTS, surface, outcome, failure, seconds=duration)
        if not failure and not is_known:
            waited = max((at - made_at).total_seconds(), 0.0)
            tallies.add(DELIVERIES, surface, seconds=waited + duration)
    return tallies


def _add_accepted(tallies: Tallies, *, after: int, to: int) -> None:
    """A call's first line says that it was accepted; later ones that it waits again."""
    earlier = CallEvent.objects.filter(call=OuterRef("call"), id__lt=OuterRef("id"))
    lines = CallEvent.objects.filter(id__gt=after, id__lte=to, type__in=WAITING).order_by()
    first = lines.filter(~Exists(earlier)).values_list("call__carrier", "call__mode")
    for carrier, mode in first.iterator():
        tallies.add(ACCEPTED, carrier, mode)


def _add_dials(tallies: Tallies, *, after: int, to: int) -> None:
    lines = CallEvent.objects.filter(id__gt=after, id__lte=to, type=Status.DIALING).order_by()
    begun = lines.values_list("call__carrier", "call__mode", "detail")
    for carrier, mode, detail in begun.iterator():
        # Dials that began before it was written down have none.
        if "waited" in detail:
            tallies.add(DIALS, carrier, mode, seconds=detail["waited"])


def _outcome(failure: str, *, number: int) -> str:
    if not failure:
        return DELIVERED
    return GIVEN_UP if number >= len(settings.WEBHOOK_RETRY_SCHEDULE) else FAILED
