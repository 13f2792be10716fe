"""Rollups once more, by account and in the slots of the dashboard's charts: few rows to read.

They are counted along with the rollup that they come of, in one transaction. Where a version before
this counts, or has counted so far, they are behind, as the watermark tells. Then nobody reads them,
and who counts next fills them from that rollup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Sum
from django.utils import timezone

from operations.adding import Counts, add_up
from operations.models import (
    AccountAttemptRollup,
    AccountCallRollup,
    AccountRollup,
    AttemptRollup,
    CallRollup,
    Rollup,
    Watermark,
)
from operations.spans import SLOTS_KEPT_FOR, Slot, Span


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
            self.add(self._counted(slot, kept_for=kept_for), kept_for={slot: kept_for})
        watermark.by_account_to = watermark.counted_to
        watermark.save(update_fields=["by_account_to"])

    def add(self, counts: Counts, *, kept_for: Mapping[Slot, timedelta] = SLOTS_KEPT_FOR) -> None:
        counted = counts.in_spans(kept_for, by=self.by, sums=self.sums)
        add_up(self.rollup, counted, by=["slot", "at", *self.by], sums=self.sums)

    def forget(self) -> None:
        self.rollup._default_manager.all().delete()

    def _counted(self, slot: Slot, *, kept_for: timedelta) -> Counts:
        """What the source has, by the longest spans that make up a slot."""
        span = max(span for span in Span if slot % span == 0)
        kept = self.source._default_manager.filter(span=span, at__gte=timezone.now() - kept_for)
        sums = [Sum(name) for name in self.sums]
        rows = kept.order_by().values_list("at", *self.paths).annotate(*sums)
        keys = 1 + len(self.paths)
        counted = [(row[0], row[1:keys], row[keys:]) for row in rows.iterator()]
        return Counts(counted, by=self.by, sums=self.sums)


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
