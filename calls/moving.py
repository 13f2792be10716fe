"""A call and its dial, locked to be moved on, and what a step changes of them.

On PostgreSQL each is one statement, FIND and KEEP below, for every report takes them; SQLite does
the same step by step. `calls.lifecycle` says what a step is.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Model

from agents.models import Agent
from calls.models import Call, CallEvent, Dial
from core.rows import columns_of, is_postgresql, load_each, prepared_cursor

# The columns that a step may move.
OF_CALL = (
    "status",
    "reason",
    "cost",
    "reserved",
    "due_at",
    "started_at",
    "ended_at",
    "events_published",
)
OF_DIAL = (
    "status",
    "reason",
    "answered_by",
    "asked_at",
    "deadline_at",
    "due_at",
    "started_at",
    "ended_at",
)

# What is read of a dial, by the names it has in FIND.
MODELS: Mapping[str, type[Model]] = {"dial": Dial, "call": Call, "agent": Agent}


def find(dial_id: UUID) -> Dial | None:
    """The dial with its call and agent, as they are now."""
    return _read(dial_id, is_locked=False)


def lock(dial_id: UUID) -> Dial:
    """The same, both its own row and the call's locked.

    To be called in a transaction. Raises Dial.DoesNotExist.
    """
    dial = _read(dial_id, is_locked=True)
    if dial is None:
        raise Dial.DoesNotExist
    return dial


def keep(call: Call, dial: Dial | None, lines: Sequence[CallEvent]) -> None:
    """Write down where `call`, locked, and its dial stand, and the lines of the timeline."""
    if dial and not dial.ended_at and not dial.lease_token:
        # Whoever holds a lease on it will see to its deadline when giving the lease back.
        dial.due_at = min(dial.due_at, dial.deadline_at)
    if is_postgresql():
        _keep_at_once(call, dial, lines)
        return
    call.save(update_fields=OF_CALL)
    if dial:
        dial.save(update_fields=OF_DIAL)
    for line in lines:
        line.save(force_insert=True)


def _read(dial_id: UUID, *, is_locked: bool) -> Dial | None:
    if not is_postgresql():
        return Dial.objects.select_related("call__agent").filter(id=dial_id).first()
    with prepared_cursor() as cursor:
        cursor.execute(_find_sql(is_locked=is_locked), [dial_id])
        row = cursor.fetchone()
    return _dial_in(row) if row else None


# PostgreSQL ---------------------------------------------------------------------------------------

# The call's row first, as everybody does who waits for both.
LOCKED = "FOR NO KEY UPDATE OF call, dial"
FIND = """
SELECT {columns}
FROM calls_dial AS dial
JOIN calls_call AS call ON call.id = dial.call_id
JOIN agents_agent AS agent ON agent.id = call.agent_id
WHERE dial.id = %s
{locked}
"""
KEEP = """
WITH moved_call AS (
    UPDATE calls_call SET {call} WHERE id = %(call_id)s
){moved_dial}
INSERT INTO calls_callevent (call_id, dial_id, type, at, detail)
SELECT %(call_id)s, line.dial_id, line.type, line.at, line.detail::jsonb
FROM ROWS FROM (
    unnest(%(dial_ids)s::uuid[], %(types)s::text[], %(ats)s::timestamptz[], %(details)s::text[])
) WITH ORDINALITY AS line (dial_id, type, at, detail, place)
ORDER BY line.place
"""
MOVED_DIAL = """, moved_dial AS (
    UPDATE calls_dial SET {dial} WHERE id = %(dial_id)s
)"""


@cache
def _find_sql(*, is_locked: bool) -> str:
    columns = ", ".join(columns_of(model, alias=alias) for alias, model in MODELS.items())
    return FIND.format(columns=columns, locked=LOCKED if is_locked else "")


def _dial_in(row: Sequence[Any]) -> Dial:
    dial, call, agent = load_each(row, *MODELS.values())
    dial.call, call.agent = call, agent
    return dial  # type: ignore[no-any-return]


@cache
def _keep_sql(*, has_dial: bool) -> str:
    moved_dial = MOVED_DIAL.format(dial=_set("dial", OF_DIAL)) if has_dial else ""
    return KEEP.format(call=_set("call", OF_CALL), moved_dial=moved_dial)


def _set(prefix: str, names: Sequence[str]) -> str:
    return ", ".join(f"{name} = %({prefix}_{name})s" for name in names)


def _keep_at_once(call: Call, dial: Dial | None, lines: Sequence[CallEvent]) -> None:
    values: dict[str, Any] = {
        "call_id": call.id,
        **{f"call_{name}": getattr(call, name) for name in OF_CALL},
        "dial_ids": [line.dial_id for line in lines],
        "types": [line.type for line in lines],
        "ats": [line.at for line in lines],
        "details": [json.dumps(line.detail) for line in lines],
    }
    if dial:
        values |= {f"dial_{name}": getattr(dial, name) for name in OF_DIAL}
        values["dial_id"] = dial.id
    with prepared_cursor() as cursor:
        cursor.execute(_keep_sql(has_dial=dial is not None), values)
