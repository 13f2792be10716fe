"""Calls and deliveries, added up by span of time as they end.

Both tables that are read are only appended to: a call's timeline, where each end is a line, and the
log of attempts. A watermark remembers up to which row they are counted; it moves in the transaction
that counts, so that each row is counted once, whatever dies, and however late it came.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db import DatabaseError, models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from calls.explanations import REASONS
from calls.models import TERMINAL, CallEvent
from core.histogram import bucket_of
from operations import by_account, tallying
from operations.adding import Counted, Counts, add_up
from operations.by_account import ByAccount
from operations.models import AttemptRollup, CallRollup, Rollup, Watermark
from operations.settled import settled_id
from operations.spans import KEPT_FOR
from operations.tallies import Tallies
from webhooks.models import Attempt

log = structlog.get_logger(__name__)

# Rows that one transaction counts.
BATCH = 20_000
# How long one run goes on catching up; the next one does the rest.
RUN_SECONDS = 20.0


class Counting(ABC):
    """How the rows of one log are added to one rollup, to that by account, and to the tallies."""

    name: str
    log: type[models.Model]
    rollup: type[Rollup]
    by_account: ByAccount
    columns: Sequence[str]
    by: Sequence[str]
    sums: Sequence[str]

    @abstractmethod
    def rows(self, *, after: int, to: int) -> Iterator[Counted]:
        """When it happened, the `columns` and the `sums` of each row in between."""

    @abstractmethod
    def tallies(self, rows: Sequence[Counted], *, after: int, to: int) -> Tallies:
        """What the same rows add to the tallies."""


class CountingCalls(Counting):
    name = "calls"
    log = CallEvent
    rollup = CallRollup
    by_account = by_account.CALLS
    columns = by = ("account", "agent", "carrier", "mode", "outcome", "reason")
    sums = ("calls", "talk_seconds", "cost")

    def rows(self, *, after: int, to: int) -> Iterator[Counted]:
        ends = CallEvent.objects.filter(type__in=TERMINAL, call__ended_at__isnull=False)
        # A call that was tried again has several lines of an end: the last one is its own.
        later = CallEvent.objects.filter(
            call=OuterRef("call"), type__in=TERMINAL, id__gt=OuterRef("id")
        )
        columns = ["account_id", "agent_id", "carrier", "mode", "status", "reason", "started_at"]
        own = ends.filter(~Exists(later), id__gt=after, id__lte=to).order_by()
        named = own.values_list(*[f"call__{name}" for name in [*columns, "cost", "ended_at"]])
        for *key, reason, started_at, cost, ended_at in named.iterator():
            talked = round((ended_at - started_at).total_seconds()) if started_at else 0
            known = reason if not reason or reason in REASONS else "other"
            yield ended_at, (*key, known), (1, talked, cost or Decimal(0))

    def tallies(self, rows: Sequence[Counted], *, after: int, to: int) -> Tallies:
        return tallying.of_calls(rows, after=after, to=to)


class CountingAttempts(Counting):
    name = "attempts"
    log = Attempt
    rollup = AttemptRollup
    by_account = by_account.ATTEMPTS
    columns = ("account", "subscription", "took")
    by = ("subscription", "took")
    sums = ("attempts", "failures")

    def rows(self, *, after: int, to: int) -> Iterator[Counted]:
        made = Attempt.objects.filter(id__gt=after, id__lte=to).order_by()
        endpoint = ("delivery__subscription__account_id", "delivery__subscription_id")
        named = made.values_list("started_at", *endpoint, "duration", "failure")
        for started_at, *key, duration, failure in named.iterator():
            yield started_at, (*key, bucket_of(duration)), (1, int(bool(failure)))

    def tallies(self, rows: Sequence[Counted], *, after: int, to: int) -> Tallies:
        return tallying.of_attempts(after=after, to=to)


COUNTINGS: tuple[Counting, ...] = (CountingCalls(), CountingAttempts())


def roll_up(*, seconds: float = RUN_SECONDS) -> bool:
    """Count what has happened since the last time; False if that takes more than `seconds`."""
    ends = time.monotonic() + seconds
    done = [_catch_up(counting, ends=ends) for counting in COUNTINGS]
    return all(done)


def rebuild() -> None:
    """Forget the rollups of calls and deliveries, and count all that is there afresh.

    Until it is done the figures are incomplete. What happens meanwhile is counted once too.
    """
    for counting in COUNTINGS:
        with transaction.atomic():
            _locked(counting)
            counting.rollup._default_manager.all().delete()
            counting.by_account.forget()
            Watermark.objects.filter(name=counting.name).update(counted_to=0, by_account_to=0)
        while not _catch_up(counting, ends=float("inf")):
            pass


def lag(*, now: datetime) -> timedelta | None:
    """How long ago it was last found that all is counted; None if never."""
    ours = Watermark.objects.filter(name__in=[counting.name for counting in COUNTINGS])
    looked = ours.aggregate(at=models.Min("looked_at"), named=models.Count("name"))
    return now - looked["at"] if looked["named"] == len(COUNTINGS) and looked["at"] else None


# Counting -----------------------------------------------------------------------------------------


def _catch_up(counting: Counting, *, ends: float) -> bool:
    """Whether all that is settled is counted now."""
    began, to = timezone.now(), settled_id(counting.log)
    if to is None:
        return False
    _level(counting)
    while not _count_batch(counting, to=to):
        if time.monotonic() >= ends:
            return False
    Watermark.objects.filter(name=counting.name).update(looked_at=began)
    return True


def _level(counting: Counting) -> None:
    """Have the rollup by account catch up. Where it cannot, counting goes on: nobody reads it."""
    try:
        with transaction.atomic():
            counting.by_account.catch_up(_locked(counting))
    except DatabaseError:
        log.exception("rollup_by_account_not_filled", name=counting.name)


def _count_batch(counting: Counting, *, to: int) -> bool:
    """Count the next rows; whether they were the last up to `to`."""
    with transaction.atomic():
        watermark = _locked(counting)
        after, is_level = watermark.counted_to, watermark.by_account_to == watermark.counted_to
        if after >= to:
            return True
        is_new = after >= watermark.tallied_to
        # Counted afresh: no batch has both rows that are tallied already and rows that are not.
        last = to if is_new else min(to, watermark.tallied_to)
        until = _end_of_batch(counting, after=after, to=last)
        rows = list(counting.rows(after=after, to=until))
        counts = Counts(rows, by=counting.columns, sums=counting.sums)
        _add(counting, counts)
        if is_level:
            counting.by_account.add(counts)
            watermark.by_account_to = until
        if is_new:
            counting.tallies(rows, after=after, to=until).write()
            watermark.tallied_to = until
        watermark.counted_to = until
        watermark.save(update_fields=["counted_to", "by_account_to", "tallied_to"])
    return until >= to


def _end_of_batch(counting: Counting, *, after: int, to: int) -> int:
    ids = counting.log._default_manager.filter(pk__gt=after, pk__lte=to).order_by("pk")
    last: int | None = ids.values_list("pk", flat=True)[BATCH - 1 : BATCH].first()
    return last or to


def _locked(counting: Counting) -> Watermark:
    """The watermark, ours alone until the transaction ends: two that count take turns."""
    Watermark.objects.get_or_create(name=counting.name)
    return Watermark.objects.select_for_update().get(name=counting.name)


def _add(counting: Counting, counts: Counts) -> None:
    counted = counts.in_spans(KEPT_FOR, by=counting.by, sums=counting.sums)
    add_up(counting.rollup, counted, by=["span", "at", *counting.by], sums=counting.sums)
