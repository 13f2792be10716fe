"""What an order is judged by, before `calls.booking` writes an accepted one down.

On PostgreSQL that is one statement, FIND below, and so one round trip; where a key places the call,
FIND_WITH_KEY finds that too. SQLite does the same step by step; which of them did it, nobody can
tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from agents.auth import (
    FROM_USABLE_KEY,
    KEY_WIDTH,
    WHERE_KEY_IS_USABLE,
    key_columns,
    load_key,
)
from agents.errors import AgentNotFound
from agents.models import Account, Agent, ApiKey
from agents.prices import prefixes_of, price_for
from agents.services import find_agent
from calls import policy
from calls.models import CallingRules
from core.ids import parse_id
from core.rows import columns_of, is_postgresql, load_each, prepared_cursor
from core.secrets import digest


@dataclass(frozen=True)
class Facts:
    """What is known of an account and a number (E.164) it asks to call."""

    number: str
    per_minute: Decimal
    policy: policy.Known


class Found(NamedTuple):
    """The account's agent, enabled or not, and the facts of the number that it is to call."""

    agent: Agent
    facts: Facts


def find(account: Account, *, agent_id: object, number: str | None) -> tuple[Agent, Facts | None]:
    """The account's agent, enabled or not, and the facts of `number` where they came with it.

    They do not where the number is not known before the agent is, nor on SQLite: `facts_of` finds
    them then. Raises AgentNotFound.
    """
    if number is None or not is_postgresql():
        return find_agent(account, agent_id), None
    parsed = parse_id("agent", agent_id)
    found = parsed and _find_at_once(account.id, agent_id=parsed, number=number)
    if not found:
        raise AgentNotFound
    return found


def facts_of(account_id: UUID, *, number: str) -> Facts:
    return Facts(
        number=number,
        per_minute=price_for(account_id, number=number).per_minute,
        policy=policy.look_up(account_id, number=number),
    )


# PostgreSQL: one statement each -------------------------------------------------------------------

JOINED = """
LEFT JOIN calls_callingrules AS rules ON rules.account_id = agent.account_id
LEFT JOIN LATERAL (
    SELECT per_minute FROM agents_price
    WHERE prefix = ANY (string_to_array(%(prefixes)s, ' '))
      AND (account_id = agent.account_id OR account_id IS NULL)
    ORDER BY account_id IS NULL, length(prefix) DESC LIMIT 1
) AS price ON true
"""
COLUMNS = """
{agent}, {rules}, price.per_minute, EXISTS (
    SELECT FROM calls_donotcall AS listed
    WHERE listed.account_id = agent.account_id AND listed.number = %(number)s
)
"""
FIND = """
SELECT {columns} FROM agents_agent AS agent {joined}
WHERE agent.id = %(agent_id)s AND agent.account_id = %(account_id)s
"""
FIND_WITH_KEY = """
SELECT {key}, {columns} {from_key}
LEFT JOIN agents_agent AS agent ON agent.id = %(agent_id)s AND agent.account_id = account.id
{joined} {where_key}
"""


def find_with_key(key: str, *, agent_id: UUID, number: str) -> tuple[ApiKey | None, Found | None]:
    """The usable key, and what `find` says to its account. On PostgreSQL only."""
    asked = {"digest": digest(key), "now": timezone.now(), **_asked(agent_id, number)}
    with prepared_cursor() as cursor:
        cursor.execute(_find_with_key_sql(), asked)
        row = cursor.fetchone()
    if row is None:
        return None, None
    return load_key(row[:KEY_WIDTH]), _found(row[KEY_WIDTH:], number=number)


def _find_at_once(account_id: UUID, *, agent_id: UUID, number: str) -> Found | None:
    with prepared_cursor() as cursor:
        cursor.execute(_find_sql(), {"account_id": account_id, **_asked(agent_id, number)})
        row = cursor.fetchone()
    return _found(row, number=number) if row else None


def _asked(agent_id: UUID, number: str) -> dict[str, Any]:
    return {"agent_id": agent_id, "number": number, "prefixes": " ".join(prefixes_of(number))}


def _found(row: Sequence[Any], *, number: str) -> Found | None:
    agent, rules = load_each(row, Agent, CallingRules)
    *_, per_minute, is_listed = row
    if agent is None:
        return None
    facts = Facts(
        number=number,
        per_minute=settings.CREDITS_PER_MINUTE if per_minute is None else per_minute,
        policy=policy.Known(rules=rules or policy.NO_RULES, is_listed=is_listed),
    )
    return Found(agent, facts)


@cache
def _find_sql() -> str:
    return FIND.format(columns=_columns(), joined=JOINED)


@cache
def _find_with_key_sql() -> str:
    return FIND_WITH_KEY.format(
        key=key_columns(),
        columns=_columns(),
        from_key=FROM_USABLE_KEY,
        joined=JOINED,
        where_key=WHERE_KEY_IS_USABLE,
    )


def _columns() -> str:
    agent, rules = columns_of(Agent, alias="agent"), columns_of(CallingRules, alias="rules")
    return COLUMNS.format(agent=agent, rules=rules)
