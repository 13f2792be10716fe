"""Dials that begin, many at a time: waiting calls are taken with all that this depends on, and what
may be dialled is written down before any carrier is asked.

On PostgreSQL each is one statement, TAKE and BEGIN below, for a claim holds everybody else's up.
SQLite does the same step by step.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from agents.models import Agent
from calls import lifecycle, policy
from calls.models import Call, CallEvent, CallingRules, Dial, Status
from calls.policy import NO_RULES, Known
from core.ids import new_id
from core.rows import columns_of, is_postgresql, load_each, mark_written, prepared_cursor


class Candidate(NamedTuple):
    """A waiting call, locked, with its agent; what its policy goes by; its dials so far."""

    call: Call
    known: Known
    dials: int


def take_waiting(call_ids: Sequence[UUID]) -> list[Candidate]:
    """These calls, in this order and locked, without those that wait no more."""
    if not call_ids:
        return []
    take = _take_at_once if is_postgresql() else _take_in_steps
    found = {candidate.call.id: candidate for candidate in take(call_ids)}
    return [found[call_id] for call_id in call_ids if call_id in found]


def begin_dials(candidates: Sequence[Candidate], *, lease: timedelta, now: datetime) -> list[Dial]:
    """Make the next dials of calls from `take_waiting`, for whoever holds the lease to ask for.

    Once they are committed, the carriers may have been asked.
    """
    if not candidates:
        return []
    waited = [_waited(candidate.call, now=now) for candidate in candidates]
    dials = [_new_dial(candidate, lease=lease, now=now) for candidate in candidates]
    begin = _begin_at_once if is_postgresql() else _begin_in_steps
    begin(dials, waited, now)
    return dials


def _waited(call: Call, *, now: datetime) -> float:
    """Seconds for which it was due."""
    return round(max((now - (call.due_at or now)).total_seconds(), 0.0), 3)


def _new_dial(candidate: Candidate, *, lease: timedelta, now: datetime) -> Dial:
    call = candidate.call
    call.status, call.due_at = Status.DIALING, None
    return Dial(
        call=call,
        number=candidate.dials + 1,
        asks=1,
        asked_at=now,
        last_asked_at=now,
        due_at=now + lease,
        deadline_at=lifecycle.ring_deadline(call, since=now),
        lease_token=new_id(),
    )


# PostgreSQL ---------------------------------------------------------------------------------------

# Who is being canceled is passed by: waiting for it, a claim could wait for itself.
TAKE = """
SELECT {call}, {agent}, {rules},
       EXISTS (SELECT FROM calls_donotcall AS listed
               WHERE listed.account_id = call.account_id AND listed.number = call.to_number),
       (SELECT count(*) FROM calls_dial AS dial WHERE dial.call_id = call.id)
FROM calls_call AS call
JOIN agents_agent AS agent ON agent.id = call.agent_id
LEFT JOIN calls_callingrules AS rules ON rules.account_id = call.account_id
WHERE call.id = ANY(%s::uuid[]) AND call.status = 'queued'
FOR UPDATE OF call SKIP LOCKED
"""
BEGIN = """
WITH begun AS MATERIALIZED (
    SELECT * FROM unnest(
        %(call_id)s::uuid[], %(id)s::uuid[], %(number)s::int[], %(due_at)s::timestamptz[],
        %(deadline_at)s::timestamptz[], %(lease_token)s::uuid[], %(waited)s::float8[]
    ) AS begun (call_id, id, number, due_at, deadline_at, lease_token, waited)
), moved AS (
    UPDATE calls_call AS call SET status = 'dialing', due_at = NULL
    FROM begun WHERE call.id = begun.call_id
    RETURNING call.id, call.carrier
), made AS (
    INSERT INTO calls_dial (id, call_id, number, status, reason, carrier_id, answered_by, asks,
                            asked_at, last_asked_at, due_at, deadline_at, lease_token)
    SELECT id, call_id, number, 'asking', '', '', '', 1, %(now)s, %(now)s, due_at, deadline_at,
           lease_token FROM begun
)
INSERT INTO calls_callevent (call_id, dial_id, type, at, detail)
SELECT call_id, begun.id, 'dialing', %(now)s,
       jsonb_build_object('carrier', moved.carrier, 'waited', begun.waited)
FROM begun JOIN moved ON moved.id = begun.call_id
"""


def _take_at_once(call_ids: Sequence[UUID]) -> list[Candidate]:
    with prepared_cursor() as cursor:
        cursor.execute(_take_sql(), [list(call_ids)])
        return [_candidate(row) for row in cursor.fetchall()]


def _candidate(row: Sequence[Any]) -> Candidate:
    call, call.agent, rules = load_each(row, Call, Agent, CallingRules)
    *_, is_listed, dials = row
    return Candidate(call, Known(rules or NO_RULES, is_listed), dials)


@cache
def _take_sql() -> str:
    return TAKE.format(
        call=columns_of(Call, alias="call"),
        agent=columns_of(Agent, alias="agent"),
        rules=columns_of(CallingRules, alias="rules"),
    )


def _begin_at_once(dials: Sequence[Dial], waited: Sequence[float], now: datetime) -> None:
    names = ("call_id", "id", "number", "due_at", "deadline_at", "lease_token")
    columns = {name: [getattr(dial, name) for dial in dials] for name in names}
    with prepared_cursor() as cursor:
        cursor.execute(BEGIN, {**columns, "waited": list(waited), "now": now})
    mark_written(dials)


# SQLite -------------------------------------------------------------------------------------------


def _take_in_steps(call_ids: Sequence[UUID]) -> list[Candidate]:
    waiting = Call.objects.filter(id__in=call_ids, status=Status.QUEUED).select_related("agent")
    calls = list(waiting)
    known = policy.look_up_many(calls)
    dials = Counter(Dial.objects.filter(call__in=calls).values_list("call_id", flat=True))
    return [Candidate(call, known[call.id], dials[call.id]) for call in calls]


def _begin_in_steps(dials: Sequence[Dial], waited: Sequence[float], now: datetime) -> None:
    call_ids = [dial.call_id for dial in dials]
    Call.objects.filter(id__in=call_ids).update(status=Status.DIALING, due_at=None)
    Dial.objects.bulk_create(dials)
    CallEvent.objects.bulk_create(
        CallEvent(
            call=dial.call,
            dial=dial,
            type=Status.DIALING,
            at=now,
            detail={"carrier": dial.call.carrier, "waited": seconds},
        )
        for dial, seconds in zip(dials, waited, strict=True)
    )
