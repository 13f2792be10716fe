"""When the next work of each kind comes due: what a worker asks before it claims, and before it
rests.

On PostgreSQL one statement, for a worker that has nothing to do asks it most of all; SQLite, where
a query is no round trip, is asked kind by kind.
"""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Min

from calls.models import WAITING, WAITS_FOR, Call, Dial, Status
from core.rows import is_postgresql, prepared_cursor


class Coming(NamedTuple):
    """The first moment of each kind; None where there is none."""

    dial: datetime | None
    stray: datetime | None
    queued: datetime | None
    scheduled: datetime | None
    expiry: datetime | None

    def has_looks(self, *, now: datetime) -> bool:
        return _is_due(self.dial, now) or _is_due(self.stray, now)

    def has_promotions(self, *, now: datetime) -> bool:
        return _is_due(self.scheduled, now)

    def has_expiries(self, *, now: datetime) -> bool:
        return _is_due(self.expiry, now) or _is_due(self.queued, now - WAITS_FOR)

    def has_asks(self, *, now: datetime) -> bool:
        """Promoted ones too."""
        return any(_is_due(at, now) for at in (self.dial, self.queued, self.scheduled))

    def first(self) -> datetime | None:
        return min((at for at in self if at), default=None)


def _is_due(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now


COMING = """
SELECT (SELECT min(due_at) FROM calls_dial WHERE ended_at IS NULL),
       (SELECT min(due_at) FROM calls_dial WHERE stray_since IS NOT NULL),
       (SELECT min(due_at) FROM calls_call WHERE status = 'queued'),
       (SELECT min(due_at) FROM calls_call WHERE status = 'scheduled'),
       (SELECT min(expires_at) FROM calls_call WHERE status IN ('queued', 'scheduled'))
"""


def look() -> Coming:
    if is_postgresql():
        with prepared_cursor() as cursor:
            cursor.execute(COMING)
            return Coming(*cursor.fetchone())
    calls, dials = Call.objects.order_by(), Dial.objects.order_by()
    rows = (
        dials.filter(ended_at=None).aggregate(at=Min("due_at")),
        dials.filter(stray_since__isnull=False).aggregate(at=Min("due_at")),
        calls.filter(status=Status.QUEUED).aggregate(at=Min("due_at")),
        calls.filter(status=Status.SCHEDULED).aggregate(at=Min("due_at")),
        calls.filter(status__in=WAITING).aggregate(at=Min("expires_at")),
    )
    return Coming(*(row["at"] for row in rows))
