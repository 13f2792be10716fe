"""Rollups once more, by account and in the slots of the dashboard's charts: few rows to read.

They are counted along with the rollup that they come of, in one transaction. Where a version before
this counts, or has counted so far, they are behind, as the watermark tells. Then nobody reads them,
and who counts next fills them from that rollup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Sum
from django.utils import timezone

from operations.adding import Counts, Key, Sums, add_up
from operations.models import (
    AccountAttemptRollup,
    AccountCallRollup,
    AccountRollup,
    AttemptRollup,
    CallRollup,
    Rollup,
    Watermark,
)
from operations.spans import SLOTS_KEPT_FOR, Slot, Span, begin_of


@dataclass(frozen=True)
class ByAccount:
    """`name` is that of the watermark; `paths` lead from the rows of `source` to `by`."""

    name: str
    rollup: type[AccountRollup]
    source: type[Rollup]
    by: Sequence[str]
    paths: Sequence[str]
    sums: Sequence[str]

    @property
    def account_path(self) -> str:
        return self.paths[self.by.index("account")]

    def is_level(self) -> bool:
        """Whether it has all that its source has."""
        level = Watermark.objects.filter(name=self.name, by_account_to=F("counted_to"))
        return level.exists()

    def catch_up(self, watermark: Watermark) -> None:
        """Have all that its source has. The watermark is locked."""
        if watermark.by_account_to == watermark.counted_to:
            return
        self.forget()
        for slot, kept_for in SLOTS_KEPT_FOR.items():
            self._fill(slot, since=timezone.now() - kept_for)
        watermark.by_account_to = watermark.counted_to
        watermark.save(update_fields=["by_account_to"])

    def add(self, counts: Counts) -> None:
        self._add(counts.in_spans(SLOTS_KEPT_FOR, by=self.by, sums=self.sums))

    def forget(self) -> None:
        self.rollup._default_manager.all().delete()

    def _fill(self, slot: Slot, *, since: datetime) -> None:
        """From what the source has, by the longest spans that make up a slot; the database adds."""
        span = max(span for span in Span if slot % span == 0)
        source = self.source._default_manager.filter(span=span).order_by()
        sums = [Sum(name) for name in self.sums]
        at, long = begin_of(since, slot), timedelta(seconds=slot)
        while at <= timezone.now():
            rows = source.filter(at__gte=at, at__lt=at + long).values_list(*self.paths)
            keys = len(self.paths)
            counted = rows.annotate(*sums).iterator()
            self._add({(int(slot), at, *row[:keys]): row[keys:] for row in counted})
            at += long

    def _add(self, counted: Mapping[Key, Sums]) -> None:
        add_up(self.rollup, counted, by=["slot", "at", *self.by], sums=self.sums)


CALLS = ByAccount(
    name="calls",
    rollup=AccountCallRollup,
    source=CallRollup,
    by=("account", "mode", "outcome"),
    paths=("account", "mode", "outcome"),
    sums=("calls", "cost"),
)
ATTEMPTS = ByAccount(
    name="attempts",
    rollup=AccountAttemptRollup,
    source=AttemptRollup,
    by=("account", "took"),
    paths=("subscription__account", "took"),
    sums=("attempts", "failures"),
)
