"""What came of attempts, written into the outbox: where deliveries stand, and the log.

Results are written only where the token of the lease (webhooks.leases) still stands. On PostgreSQL
each is one statement for many rows; SQLite does the same row by row.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from core.rows import columns_of, is_postgresql, load, prepared_cursor
from webhooks.models import (
    Attempt,
    Delivery,
    DeliveryQuerySet,
    Subscription,
)

# How many rows one transaction moves.
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands after an attempt under `token`."""

    id: UUID
    token: UUID
    status: str
    next_attempt_at: datetime | None
    ended_at: datetime | None


def settle(standings: Sequence[Standing]) -> None:
    """Write where deliveries stand, each only if its lease is still the one it was sent under."""
    if is_postgresql():
        _settle_at_once(standings)
        return
    for one in standings:
        held = Delivery.objects.filter(id=one.id, lease_token=one.token, status="pending")
        held.update(
            status=one.status,
            attempts=F("attempts") + 1,
            next_attempt_at=one.next_attempt_at,
            ended_at=one.ended_at,
            lease_token=None,
        )


def mend(*, now: datetime) -> None:
    """Put right what crossed on the way: an event that was published while its webhook was enabled,
    paused or removed by somebody else."""
    pending = Delivery.objects.filter(status="pending").not_being_sent(now=now)
    held = Delivery.objects.filter(status="held")
    enabled = Subscription.objects.present().filter(status=Subscription.Status.ENABLED)
    idle = Subscription.objects.present().exclude(status=Subscription.Status.ENABLED)
    removed = Subscription.objects.filter(deleted_at__isnull=False)
    canceled = {"status": "canceled", "next_attempt_at": None, "ended_at": now}
    _move(held.filter(subscription__in=enabled), status="pending", next_attempt_at=now)
    _move(
        pending.filter(subscription__in=idle), status="held", next_attempt_at=None, lease_token=None
    )
    _move(pending.filter(subscription__in=removed), **canceled)
    _move(held.filter(subscription__in=removed), **canceled)


def _move(rows: DeliveryQuerySet, **changes: object) -> None:
    """In batches, so that no transaction holds many rows for long."""
    while rows.filter(id__in=rows.values("id")[:BATCH]).update(**changes):
        pass


def lock_to_judge(ids: Sequence[UUID], *, failed: Sequence[UUID]) -> list[Subscription]:
    """Of these endpoints those that `failed` now, or that had: locked, and as they are now, not as
    they were leased."""
    if is_postgresql():
        with prepared_cursor() as cursor:
            cursor.execute(_to_judge_sql(), [list(ids), list(failed)])
            return [load(Subscription, row) for row in cursor.fetchall()]
    unwell = Q(failing_since__isnull=False) | Q(failures_in_row__gt=0) | Q(id__in=failed)
    return list(Subscription.objects.filter(unwell, id__in=ids).order_by("id"))


def log_attempts(attempts: Sequence[dict[str, Any]]) -> None:
    """Write attempts, given as ATTEMPT_COLUMNS, whoever holds the leases by now: they were made."""
    if is_postgresql():
        with prepared_cursor() as cursor:
            cursor.execute(LOG_SQL, [json.dumps(attempts, default=str)])
    else:
        Attempt.objects.bulk_create(Attempt(**attempt) for attempt in attempts)


TO_JUDGE = """
SELECT {columns} FROM webhooks_subscription AS endpoint
WHERE id = ANY(%s::uuid[])
  AND (failing_since IS NOT NULL OR failures_in_row > 0 OR id = ANY(%s::uuid[]))
ORDER BY id FOR NO KEY UPDATE
"""


@cache
def _to_judge_sql() -> str:
    return TO_JUDGE.format(columns=columns_of(Subscription, alias="endpoint"))


# Spelled so that no index of pending rows fits: walking a backlog for a batch is what PostgreSQL
# would choose by the figures of a quieter hour. By its id each row is found at once.
SETTLE = """
UPDATE webhooks_delivery d
SET status = r.status, attempts = d.attempts + 1, next_attempt_at = r.next_attempt_at,
    ended_at = r.ended_at, lease_token = NULL
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])
     AS r (id, token, status, next_attempt_at, ended_at)
WHERE d.id = r.id AND d.lease_token = r.token AND d.status || '' = 'pending'
"""


def _settle_at_once(standings: Sequence[Standing]) -> None:
    columns = [
        [getattr(one, name) for one in standings]
        for name in ("id", "token", "status", "next_attempt_at", "ended_at")
    ]
    with prepared_cursor() as cursor:
        cursor.execute(SETTLE, columns)


# One JSON value in place of a thousand parameters: writing the log costs as much as sending else.
LOG = """
INSERT INTO webhooks_attempt ({columns})
SELECT {columns} FROM jsonb_populate_recordset(NULL::webhooks_attempt, %s::jsonb)
"""
ATTEMPT_COLUMNS = [
    "delivery_id",
    "number",
    "started_at",
    "duration",
    "failure",
    "request_headers",
    "response_status",
    "response_headers",
    "response_body",
    "address",
]
LOG_SQL = LOG.format(columns=", ".join(ATTEMPT_COLUMNS))
