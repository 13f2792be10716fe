"""The outbox's SQL: leases of what is due, and where deliveries stand after their attempts.

A lease pushes `next_attempt_at` past the longest possible attempt and marks the row with a token;
results are written only where the token still stands. On PostgreSQL each is one statement for many
rows, and any number of workers run it side by side (SKIP LOCKED). SQLite has one writer at a time
anyway and does the same endpoint by endpoint. The same tests hold for both.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, Min, OuterRef, Q

from core.ids import new_id
from core.rows import columns_of, load, prepared_cursor
from webhooks.models import (
    CIRCUIT_OPENS_AFTER,
    LEASE,
    Attempt,
    Delivery,
    DeliveryQuerySet,
    Subscription,
)

# Endpoints that get turns instead of shares: how many of them one claim looks at.
MOST_TURNS = 64
BATCH = 2000
# How far a rate limit may be caught up with after a pause.
CATCH_UP = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that is ours to send until its lease ends."""

    id: UUID
    token: UUID
    attempts: int
    event_id: UUID
    subject: str
    body: str
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands after an attempt under `token`."""

    id: UUID
    token: UUID
    status: str
    next_attempt_at: datetime | None
    ended_at: datetime | None


def lease_due(free: int, *, rooms: Mapping[UUID, int], share: int, now: datetime) -> list[Leased]:
    """Lease up to `free` due deliveries: to each endpoint its room, which is `share` if not in
    `rooms`; who has the most room comes first, and first attempts before retries.

    An endpoint whose circuit is open or whose rate is limited gets its turn instead, from one
    worker at a time.
    """
    leased = _lease_turns(free, rooms=rooms, share=share, now=now)
    if free > len(leased):
        lease = _lease_shares_at_once if connection.vendor == "postgresql" else _lease_shares
        leased += lease(free - len(leased), rooms=rooms, share=share, now=now)
    return leased


def settle(standings: Sequence[Standing]) -> None:
    """Write where deliveries stand, each only if its lease is still the one it was sent under."""
    if connection.vendor == "postgresql":
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


def next_due(*, now: datetime) -> datetime | None:
    """When the next delivery comes due that may be sent; in the past if one is waiting."""
    if connection.vendor == "postgresql":
        with prepared_cursor() as cursor:
            cursor.execute(NEXT_DUE_SQL, {"now": now})
            return cursor.fetchone()[0]  # type: ignore[no-any-return]
    pending = Delivery.objects.filter(status="pending")
    first = pending.filter(subscription__in=Subscription.objects.open(now=now))
    paused = (
        Subscription.objects.present()
        .filter(Exists(pending.filter(subscription=OuterRef("id"))))
        .filter(status=Subscription.Status.ENABLED, resumes_at__gt=now)
    )
    moments = (
        first.aggregate(at=Min("next_attempt_at"))["at"],
        paused.aggregate(at=Min("resumes_at"))["at"],
    )
    return min((moment for moment in moments if moment), default=None)


def lock_to_judge(ids: Sequence[UUID], *, failed: Sequence[UUID]) -> list[Subscription]:
    """Of these endpoints those that `failed` now, or that had: locked, and as they are now, not as
    they were leased."""
    if connection.vendor == "postgresql":
        with prepared_cursor() as cursor:
            cursor.execute(_to_judge_sql(), [list(ids), list(failed)])
            return [load(Subscription, row) for row in cursor.fetchall()]
    unwell = Q(failing_since__isnull=False) | Q(failures_in_row__gt=0) | Q(id__in=failed)
    return list(Subscription.objects.filter(unwell, id__in=ids).order_by("id"))


def log_attempts(attempts: Sequence[dict[str, Any]]) -> None:
    """Write attempts, given as ATTEMPT_COLUMNS, whoever holds the leases by now: they were made."""
    if connection.vendor == "postgresql":
        with prepared_cursor() as cursor:
            cursor.execute(LOG_SQL, [json.dumps(attempts, default=str)])
    else:
        Attempt.objects.bulk_create(Attempt(**attempt) for attempt in attempts)


# Turns --------------------------------------------------------------------------------------------


def _lease_turns(
    free: int, *, rooms: Mapping[UUID, int], share: int, now: datetime
) -> list[Leased]:
    """One probe for an open circuit, what its rate allows for a limited endpoint."""
    leased: list[Leased] = []
    if not _has_turns():
        return leased
    due = Delivery.objects.due(now=now).filter(subscription=OuterRef("id"))
    with transaction.atomic():
        turns = (
            Subscription.objects.open(now=now)
            .takes_turns()
            .filter(Exists(due))
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("resumes_at")[:MOST_TURNS]
        )
        for endpoint in turns:
            most, resumes_at = _turn(endpoint, now=now)
            room = min(most, rooms.get(endpoint.id, share), free - len(leased))
            mine = _lease_from(endpoint, room, now=now)
            if mine:
                resumes_at = resumes_at or _paced(endpoint, len(mine), now=now)
                Subscription.objects.filter(id=endpoint.id).update(resumes_at=resumes_at)
            leased += mine
    return leased


def _has_turns() -> bool:
    if connection.vendor != "postgresql":
        return Subscription.objects.takes_turns().exists()
    with prepared_cursor() as cursor:
        cursor.execute(HAS_TURNS, [CIRCUIT_OPENS_AFTER])
        return bool(cursor.fetchone()[0])


# Every claim asks it, and hardly any endpoint does.
HAS_TURNS = """
SELECT EXISTS (
    SELECT FROM webhooks_subscription
    WHERE failures_in_row >= %s OR requests_per_second IS NOT NULL
)
"""


def _turn(endpoint: Subscription, *, now: datetime) -> tuple[int, datetime | None]:
    """How many it may be sent, and until when it is then left alone, if that is known already."""
    if endpoint.failures_in_row >= CIRCUIT_OPENS_AFTER:
        # Until the probe's outcome is written, or its lease ends.
        return 1, now + LEASE
    waited = now - max(endpoint.resumes_at or now, now - CATCH_UP)
    return max(int(waited.total_seconds() * (endpoint.requests_per_second or 1)), 1), None


def _paced(endpoint: Subscription, sent: int, *, now: datetime) -> datetime:
    since = max(endpoint.resumes_at or now, now - CATCH_UP)
    return since + timedelta(seconds=sent / (endpoint.requests_per_second or 1))


# Shares -------------------------------------------------------------------------------------------


def _lease_shares(
    free: int, *, rooms: Mapping[UUID, int], share: int, now: datetime
) -> list[Leased]:
    due = Delivery.objects.due(now=now).filter(subscription=OuterRef("id"))
    waiting = list(Subscription.objects.open(now=now).takes_shares().filter(Exists(due)))
    evenly = max(free // max(len(waiting), 1), 1)
    leased: list[Leased] = []
    for endpoint in sorted(waiting, key=lambda one: -rooms.get(one.id, share)):
        room = min(rooms.get(endpoint.id, share), evenly, free - len(leased))
        leased += _lease_from(endpoint, room, now=now)
    return leased


def _lease_from(endpoint: Subscription, most: int, *, now: datetime) -> list[Leased]:
    if most <= 0:
        return []
    token = new_id()
    due = Delivery.objects.due(now=now).filter(subscription=endpoint).order_by("next_attempt_at")
    with transaction.atomic():
        ids: list[UUID] = []
        # Lane by lane, as their indexes have them: a long backlog is not sorted for one delivery.
        for lane in (Q(attempts=0), Q(attempts__gt=0)):
            rows = due.filter(lane).select_for_update(skip_locked=True)
            ids += rows.values_list("id", flat=True)[: most - len(ids)]
        mine = Delivery.objects.filter(id__in=ids)
        mine.update(next_attempt_at=now + LEASE, lease_token=token)
    return [
        Leased(
            id=delivery.id,
            token=token,
            attempts=delivery.attempts,
            event_id=delivery.event_id,
            subject=delivery.event.subject,
            body=delivery.event.body_for(endpoint.surface),
            subscription=endpoint,
        )
        for delivery in mine.select_related("event")
    ]


# Who has anything pending is found by hopping along the two lanes' indexes from one subscription to
# the next, so a backlog of a hundred thousand costs one hop.
WAITING = """
WITH RECURSIVE
first_lane AS (
    (SELECT subscription_id AS id FROM webhooks_delivery
     WHERE status = 'pending' AND attempts = 0 ORDER BY subscription_id LIMIT 1)
    UNION ALL
    SELECT (SELECT subscription_id FROM webhooks_delivery
            WHERE status = 'pending' AND attempts = 0 AND subscription_id > first_lane.id
            ORDER BY subscription_id LIMIT 1)
    FROM first_lane WHERE first_lane.id IS NOT NULL
),
retry_lane AS (
    (SELECT subscription_id AS id FROM webhooks_delivery
     WHERE status = 'pending' AND attempts > 0 ORDER BY subscription_id LIMIT 1)
    UNION ALL
    SELECT (SELECT subscription_id FROM webhooks_delivery
            WHERE status = 'pending' AND attempts > 0 AND subscription_id > retry_lane.id
            ORDER BY subscription_id LIMIT 1)
    FROM retry_lane WHERE retry_lane.id IS NOT NULL
),
waiting AS (SELECT id FROM first_lane UNION SELECT id FROM retry_lane),
"""
# Each endpoint yields what it has room for; `turn` deals them out evenly where there are more of
# them than free slots.
LEASE_SHARES = """
endpoint AS (
    SELECT s.id, COALESCE(busy.room, %(share)s) AS room
    FROM waiting
    JOIN webhooks_subscription s ON s.id = waiting.id
    LEFT JOIN unnest(%(busy)s::uuid[], %(rooms)s::int[]) AS busy (id, room) ON busy.id = s.id
    WHERE s.status = 'enabled' AND s.deleted_at IS NULL
      AND (s.resumes_at IS NULL OR s.resumes_at <= %(now)s)
      AND s.failures_in_row < %(opens_after)s AND s.requests_per_second IS NULL
),
due AS (
    SELECT picked.id, row_number() OVER (PARTITION BY endpoint.id ORDER BY picked.lane)
                      - endpoint.room AS turn
    FROM endpoint CROSS JOIN LATERAL (
        SELECT id, 1 AS lane FROM (
            SELECT id FROM webhooks_delivery
            WHERE subscription_id = endpoint.id AND status = 'pending' AND attempts = 0
              AND next_attempt_at <= %(now)s
            ORDER BY next_attempt_at LIMIT endpoint.room FOR UPDATE SKIP LOCKED
        ) AS first_attempts
        UNION ALL
        SELECT id, 2 FROM (
            SELECT id FROM webhooks_delivery
            WHERE subscription_id = endpoint.id AND status = 'pending' AND attempts > 0
              AND next_attempt_at <= %(now)s
            ORDER BY next_attempt_at LIMIT endpoint.room FOR UPDATE SKIP LOCKED
        ) AS retries
        ORDER BY lane LIMIT endpoint.room
    ) AS picked
    ORDER BY turn LIMIT %(free)s
)
UPDATE webhooks_delivery d SET next_attempt_at = %(until)s, lease_token = %(token)s
FROM due, webhooks_event e, webhooks_subscription s
WHERE d.id = due.id AND e.id = d.event_id AND s.id = d.subscription_id
RETURNING d.id, d.attempts, e.id, e.subject,
          CASE WHEN s.surface = 'zapier' THEN e.zapier_body ELSE e.body END, s.id, {columns}
"""
# What sending to an endpoint, and judging it, takes.
ENDPOINT_COLUMNS = [
    "account_id",
    "agent_id",
    "url",
    "surface",
    "encrypted_secret",
    "encrypted_old_secret",
    "old_secret_until",
    "failing_since",
    "failures_in_row",
]


LEASE_SHARES_SQL = WAITING + LEASE_SHARES.format(
    columns=", ".join(f"s.{name}" for name in ENDPOINT_COLUMNS)
)


def _lease_shares_at_once(
    free: int, *, rooms: Mapping[UUID, int], share: int, now: datetime
) -> list[Leased]:
    token = new_id()
    values: dict[str, Any] = {
        "free": free,
        "share": share,
        "busy": list(rooms),
        "rooms": list(rooms.values()),
        "now": now,
        "until": now + LEASE,
        "token": token,
        "opens_after": CIRCUIT_OPENS_AFTER,
    }
    with prepared_cursor() as cursor:
        cursor.execute(LEASE_SHARES_SQL, values)
        rows = cursor.fetchall()
    endpoints = {
        row[5]: Subscription(id=row[5], **dict(zip(ENDPOINT_COLUMNS, row[6:], strict=True)))
        for row in {row[5]: row for row in rows}.values()
    }
    return [
        Leased(
            id=row[0],
            token=token,
            attempts=row[1],
            event_id=row[2],
            subject=row[3],
            body=row[4],
            subscription=endpoints[row[5]],
        )
        for row in rows
    ]


# Endpoint by endpoint, so that the backlog of one that asked for silence is not walked.
NEXT_DUE = """
enabled AS (
    SELECT s.id, s.resumes_at FROM waiting JOIN webhooks_subscription s ON s.id = waiting.id
    WHERE s.status = 'enabled' AND s.deleted_at IS NULL
)
SELECT LEAST(
    (SELECT min(resumes_at) FROM enabled WHERE resumes_at > %(now)s),
    (SELECT min(first.next_attempt_at) FROM enabled CROSS JOIN LATERAL (
        (SELECT next_attempt_at FROM webhooks_delivery
         WHERE subscription_id = enabled.id AND status = 'pending' AND attempts = 0
         ORDER BY next_attempt_at LIMIT 1)
        UNION ALL
        (SELECT next_attempt_at FROM webhooks_delivery
         WHERE subscription_id = enabled.id AND status = 'pending' AND attempts > 0
         ORDER BY next_attempt_at LIMIT 1)
     ) AS first
     WHERE enabled.resumes_at IS NULL OR enabled.resumes_at <= %(now)s)
)
"""
NEXT_DUE_SQL = WAITING + NEXT_DUE
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
