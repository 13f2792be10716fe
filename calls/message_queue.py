"""Which messages a worker sends, or asks after, next.

Messages of one account and carrier are a lane. Carriers and lanes have shares of what a worker does
at once, so whoever is slow holds up nobody else; between lanes, whoever has the most left of its
share is next.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Min

from calls import message_lifecycle as lifecycle
from calls.models import Message
from calls.shares import Shares
from core.ids import new_id
from core.rows import is_postgresql


class Lane(NamedTuple):
    carrier: str
    account_id: UUID


class Leased(NamedTuple):
    """A message that is ours until its lease ends; `is_ask`: to be sent, not to be asked after."""

    message: Message
    is_ask: bool


def lease_due(free: int, *, shares: Shares, lease: timedelta, now: datetime) -> list[Leased]:
    """Lease up to `free` messages that are due, as far as `shares` leave room for them.

    Once it returns, whatever is to be sent counts as asked for: nobody else asks.
    """
    rooms = _rooms(_due_lanes(now), free=free, shares=shares)
    if not rooms:
        return []
    with transaction.atomic():
        found = [message for lane, room in rooms for message in _due(lane, most=room, now=now)]
        leased = [Leased(message, is_ask=message.asked_at is None) for message in found]
        for one in leased:
            _lease(one, until=now + lease, now=now)
        fields = ["status", "asked_at", "asks", "deadline_at", "due_at", "lease_token"]
        Message.objects.bulk_update(found, fields)
    return leased


def _lease(leased: Leased, *, until: datetime, now: datetime) -> None:
    if leased.is_ask:
        lifecycle.begin_ask(leased.message, now=now)
    leased.message.due_at = until
    leased.message.lease_token = new_id()


def _rooms(lanes: Sequence[Lane], *, free: int, shares: Shares) -> list[tuple[Lane, int]]:
    """How many messages each lane may have taken of it, the emptiest lanes first."""
    planned, rooms = shares.copy(), []
    evenly = max(free // max(len(lanes), 1), 1)
    for lane in sorted(lanes, key=lambda one: -shares.left(*one)):
        room = min(planned.left(*lane), evenly, free)
        if room > 0:
            rooms.append((lane, room))
            planned.take(*lane, times=room)
            free -= room
    return rooms


def _due(lane: Lane, *, most: int, now: datetime) -> list[Message]:
    due = Message.objects.due(now=now).filter(carrier=lane.carrier, account_id=lane.account_id)
    return list(
        due.select_for_update(skip_locked=True, of=("self",)).select_related("agent")[:most]
    )


def _due_lanes(now: datetime) -> list[Lane]:
    """The lanes with anything due, whose first message is due longest first."""
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute(DUE_LANES, {"now": now})
            return [Lane(*row) for row in cursor.fetchall()]
    firsts = (
        Message.objects.due(now=now)
        .values_list("carrier", "account_id")
        .annotate(first=Min("due_at"))
        .order_by("first")
    )
    return [Lane(carrier, account_id) for carrier, account_id, _ in firsts]


# One step of the index a lane, however many messages wait in it.
DUE_LANES = """
WITH RECURSIVE lane AS (
    (SELECT carrier, account_id, due_at FROM calls_message
     WHERE ended_at IS NULL AND due_at IS NOT NULL
     ORDER BY carrier, account_id, due_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM lane CROSS JOIN LATERAL (
        SELECT carrier, account_id, due_at FROM calls_message
        WHERE ended_at IS NULL AND due_at IS NOT NULL
          AND (carrier, account_id) > (lane.carrier, lane.account_id)
        ORDER BY carrier, account_id, due_at LIMIT 1
    ) AS following
)
SELECT carrier, account_id FROM lane WHERE due_at <= %(now)s ORDER BY due_at
"""
