"""Figures that nobody looks back to any more are deleted, some at a time.

Each batch is a transaction of its own: whoever adds to figures meanwhile waits for one at most.
"""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from operations.models import (
    AccountAttemptRollup,
    AccountCallRollup,
    ApiAddress,
    ApiUsage,
    AttemptRollup,
    CallRollup,
)
from operations.spans import ADDRESSES_KEPT_FOR, KEPT_FOR, SLOTS_KEPT_FOR

BATCH = 5_000


def forget_old_figures(*, now: datetime) -> int:
    """Delete what has been kept for long enough; how many rows there were."""
    forgotten = 0
    for rollup in (ApiUsage, CallRollup, AttemptRollup):
        for span, kept_for in KEPT_FOR.items():
            rows = rollup._default_manager.filter(span=span, at__lt=now - kept_for)
            forgotten += _forget(rows)
    for by_account in (AccountCallRollup, AccountAttemptRollup):
        for slot, kept_for in SLOTS_KEPT_FOR.items():
            rows = by_account._default_manager.filter(slot=slot, at__lt=now - kept_for)
            forgotten += _forget(rows)
    return forgotten + _forget(ApiAddress.objects.filter(at__lt=now - ADDRESSES_KEPT_FOR))


def _forget(rows: QuerySet[Any]) -> int:
    forgotten = 0
    while ids := list(rows.values_list("pk", flat=True)[:BATCH]):
        forgotten += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return forgotten
