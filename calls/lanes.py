"""Lanes of waiting calls, and what is limited and counted of them: what a claim goes by, from rows.

On PostgreSQL that is one statement, SURVEY below, for a claim holds everybody else's up; the first
calls of each lane are another, HEADS. SQLite does the same step by step.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet

from agents.models import Account, Agent
from calls.models import Call, Dial, Status
from core.rows import is_postgresql, prepared_cursor

SECOND = timedelta(seconds=1)

# Whoever a limit is for: an account or agent in a mode, a carrier.
Scope = tuple[object, ...]


class Lane(NamedTuple):
    account_id: UUID
    mode: str
    agent_id: UUID
    carrier: str

    @classmethod
    def of(cls, call: Call) -> Self:
        return cls(call.account_id, call.mode, call.agent_id, call.carrier)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Live and test calls do not stand in each other's way."""
        return (
            ("account", self.account_id, self.mode),
            ("agent", self.agent_id, self.mode),
            ("carrier", self.carrier),
        )


class Limit(NamedTuple):
    """Calls under way at once, and calls started within a second; None: any number."""

    at_once: int | None
    per_second: int | None = None


class Waiting(NamedTuple):
    due_at: datetime
    call_id: UUID
    lane: Lane


@dataclass
class Survey:
    """The lanes whose first call is due, whose first call is due longest first; and of them, and of
    those of dials that are to be asked for again, the limits of accounts and agents. Calls under
    way and calls started within the last second are everybody's."""

    lanes: list[Lane] = field(default_factory=list)
    limits: dict[Scope, Limit] = field(default_factory=dict)
    active: Counter[Scope] = field(default_factory=Counter)
    started: Counter[Scope] = field(default_factory=Counter)
    has_to_ask_again: bool = False

    def limit(self, kind: str, id: UUID, *, at_once: int | None, per_second: int | None) -> None:
        for mode in ("live", "test"):
            self.limits[kind, id, mode] = Limit(at_once, per_second)


def survey(*, now: datetime) -> Survey:
    if is_postgresql():
        return _survey_at_once(now)
    return _survey_in_steps(now)


def heads(rooms: Mapping[Lane, int], *, now: datetime) -> list[Waiting]:
    """The first calls of each lane that are due, as many as it has room for."""
    if is_postgresql():
        lists = {name: [getattr(lane, name) for lane in rooms] for name in Lane._fields}
        with prepared_cursor() as cursor:
            cursor.execute(HEADS, {**lists, "room": list(rooms.values()), "now": now})
            return [Waiting(row[0], row[1], Lane(*row[2:])) for row in cursor.fetchall()]
    return [
        Waiting(due_at, call_id, lane)
        for lane, room in rooms.items()
        for due_at, call_id in Call.objects.due(now=now)
        .filter(**lane._asdict())
        .values_list("due_at", "id")[:room]
        if due_at
    ]


def _count(counts: Counter[Scope], lane: Lane, number: int) -> None:
    for scope in lane.scopes:
        counts[scope] += number


# PostgreSQL ---------------------------------------------------------------------------------------

# The lanes: one step of the index a lane, however many calls wait in it. A dial's call is looked up
# by its id, spelled so that no plan reads all calls: PostgreSQL only guesses how many are recent.
SURVEY = """
WITH RECURSIVE lane AS (
    (SELECT account_id, mode, agent_id, carrier, due_at FROM calls_call WHERE status = 'queued'
     ORDER BY account_id, mode, agent_id, carrier, due_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM lane CROSS JOIN LATERAL (
        SELECT account_id, mode, agent_id, carrier, due_at FROM calls_call
        WHERE status = 'queued' AND (account_id, mode, agent_id, carrier)
              > (lane.account_id, lane.mode, lane.agent_id, lane.carrier)
        ORDER BY account_id, mode, agent_id, carrier, due_at LIMIT 1
    ) AS following
), due AS MATERIALIZED (
    SELECT * FROM lane WHERE due_at <= %(now)s
), again AS MATERIALIZED (
    SELECT call.account_id, call.agent_id
    FROM calls_dial AS dial CROSS JOIN LATERAL (
        SELECT account_id, agent_id FROM calls_call WHERE id = dial.call_id LIMIT 1
    ) AS call
    WHERE dial.ended_at IS NULL AND dial.asked_at IS NULL AND dial.due_at <= %(now)s
)
SELECT 'lane' AS kind, account_id AS id, mode, agent_id, carrier, 0 AS number, 0 AS per_second,
       due_at FROM due
UNION ALL
SELECT 'account', id, NULL, NULL, NULL, max_concurrent_calls, calls_per_second, NULL
FROM agents_account
WHERE id IN (SELECT account_id FROM due UNION ALL SELECT account_id FROM again)
UNION ALL
SELECT 'agent', id, NULL, NULL, NULL, max_concurrent_calls, calls_per_second, NULL
FROM agents_agent
WHERE id IN (SELECT agent_id FROM due UNION ALL SELECT agent_id FROM again)
  AND (max_concurrent_calls IS NOT NULL OR calls_per_second IS NOT NULL)
UNION ALL
SELECT 'active', account_id, mode, agent_id, carrier, count(*), 0, NULL FROM calls_call
WHERE status IN ('dialing', 'ringing', 'in_progress')
GROUP BY account_id, mode, agent_id, carrier
UNION ALL
SELECT 'started', call.account_id, call.mode, call.agent_id, call.carrier, count(*), 0, NULL
FROM calls_dial AS dial CROSS JOIN LATERAL (
    SELECT account_id, mode, agent_id, carrier FROM calls_call WHERE id = dial.call_id LIMIT 1
) AS call
WHERE dial.last_asked_at > %(second_ago)s
GROUP BY call.account_id, call.mode, call.agent_id, call.carrier
UNION ALL
SELECT 'again', NULL, NULL, NULL, NULL, count(*), 0, NULL FROM again
ORDER BY due_at
"""
HEADS = """
SELECT head.due_at, head.id, lane.account_id, lane.mode, lane.agent_id, lane.carrier
FROM unnest(%(account_id)s::uuid[], %(mode)s::text[], %(agent_id)s::uuid[], %(carrier)s::text[],
            %(room)s::int[]) AS lane(account_id, mode, agent_id, carrier, room)
CROSS JOIN LATERAL (
    SELECT id, due_at FROM calls_call
    WHERE status = 'queued' AND account_id = lane.account_id AND mode = lane.mode
      AND agent_id = lane.agent_id AND carrier = lane.carrier AND due_at <= %(now)s
    ORDER BY due_at, id LIMIT lane.room
) AS head
"""


def _survey_at_once(now: datetime) -> Survey:
    with prepared_cursor() as cursor:
        cursor.execute(SURVEY, {"now": now, "second_ago": now - SECOND})
        rows = cursor.fetchall()
    found = Survey()
    for kind, id, mode, agent_id, carrier, number, per_second, _ in rows:
        match kind:
            case "lane":
                found.lanes.append(Lane(id, mode, agent_id, carrier))
            case "active":
                _count(found.active, Lane(id, mode, agent_id, carrier), number)
            case "started":
                _count(found.started, Lane(id, mode, agent_id, carrier), number)
            case "again":
                found.has_to_ask_again = number > 0
            case _:
                found.limit(kind, id, at_once=number, per_second=per_second)
    return found


# SQLite -------------------------------------------------------------------------------------------


def _survey_in_steps(now: datetime) -> Survey:
    again = [
        Lane.of(dial.call) for dial in Dial.objects.to_ask_again(now=now).select_related("call")
    ]
    found = Survey(lanes=_waiting_lanes(now), has_to_ask_again=bool(again))
    mine = [*found.lanes, *again]
    limited = Q(max_concurrent_calls__isnull=False) | Q(calls_per_second__isnull=False)
    accounts = Account.objects.filter(id__in={lane.account_id for lane in mine})
    agents = Agent.objects.filter(limited, id__in={lane.agent_id for lane in mine})
    kinds: dict[str, QuerySet[Any]] = {"account": accounts, "agent": agents}
    for kind, rows in kinds.items():
        limits = rows.values_list("id", "max_concurrent_calls", "calls_per_second")
        for id, at_once, per_second in limits:
            found.limit(kind, id, at_once=at_once, per_second=per_second)
    _count_all(found.active, Call.objects.active(), path="")
    _count_all(found.started, Dial.objects.filter(last_asked_at__gt=now - SECOND), path="call__")
    return found


def _waiting_lanes(now: datetime) -> list[Lane]:
    firsts = (
        Call.objects.filter(status=Status.QUEUED)
        .values_list(*Lane._fields)
        .annotate(first=Min("due_at"))
        .order_by("first")
    )
    return [Lane(*lane) for *lane, first in firsts if first <= now]


def _count_all(counts: Counter[Scope], rows: QuerySet[Any], *, path: str) -> None:
    names = [f"{path}{name}" for name in Lane._fields]
    for *lane, number in rows.order_by().values_list(*names).annotate(count=Count("id")):
        _count(counts, Lane(*lane), number)
