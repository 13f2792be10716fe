"""Leases of what is due: which deliveries a worker may send now, and when the next one comes due.

A lease pushes `next_attempt_at` past the longest possible attempt and marks the row with a token,
so a worker that dies leaves nothing behind but a delivery that comes due again. On PostgreSQL one
statement leases for all endpoints, and any number of workers run it side by side (SKIP LOCKED).
SQLite has one writer at a time anyway and does the same endpoint by endpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q

from core.ids import new_id
from core.rows import is_postgresql, prepared_cursor
from webhooks.models import CIRCUIT_OPENS_AFTER, LEASE, Delivery, Subscription

# Endpoints that get turns instead of shares: how many of them one claim looks at.
MOST_TURNS = 64
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


def lease_due(free: int, *, rooms: Mapping[UUID, int], share: int, now: datetime) -> list[Leased]:
    """Lease up to `free` due deliveries: to each endpoint its room, which is `share` if not in
    `rooms`; who has the most room comes first, and first attempts before retries.

    An endpoint whose circuit is open or whose rate is limited gets its turn instead, from one
    worker at a time.
    """
    leased = _lease_turns(free, rooms=rooms, share=share, now=now)
    if free > len(leased):
        lease = _lease_shares_at_once if is_postgresql() else _lease_shares
        leased += lease(free - len(leased), rooms=rooms, share=share, now=now)
    return leased


def next_due(*, now: datetime) -> datetime | None:
    """When the next delivery comes due that may be sent; in the past if one is waiting."""
    if is_postgresql():
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
    if not is_postgresql():
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
