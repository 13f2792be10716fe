"""Rows as the orders that carriers understand."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from uuid import UUID

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings

from calls.carriers import carrier_named
from calls.carriers.base import CarrierError, DialOrder, MessageOrder
from calls.models import CarrierCredentials, Dial, Message
from core.rows import columns_of, is_postgresql, load, prepared_cursor

log = structlog.get_logger(__name__)

KEPT = """
SELECT {columns} FROM calls_carriercredentials AS kept WHERE account_id = ANY(%s::uuid[])
"""

# By account and carrier.
Credentials = Mapping[tuple[UUID, str], Mapping[str, str]]


def credentials_of(pairs: Iterable[tuple[UUID, str]]) -> Credentials:
    """What each account shows to the carrier: its own, or else the settings'.

    Those that no key opens any more count as none: the carrier refuses the call by name, and the
    other accounts' go out.
    """
    wanted = set(pairs)
    found: dict[tuple[UUID, str], Mapping[str, str]] = {}
    for pair in wanted:
        try:
            found[pair] = carrier_named(pair[1]).default_credentials()
        except CarrierError:
            found[pair] = {}  # listed no more; whoever asks it says so
    for row in _kept({account_id for account_id, _ in wanted}):
        if (row.account_id, row.carrier) in wanted:
            found[row.account_id, row.carrier] = _opened(row)
    return found


def _kept(accounts: Collection[UUID]) -> Iterable[CarrierCredentials]:
    if not is_postgresql():
        return CarrierCredentials.objects.filter(account_id__in=accounts)
    with prepared_cursor() as cursor:
        cursor.execute(_kept_sql(), [list(accounts)])
        return [load(CarrierCredentials, row) for row in cursor.fetchall()]


@cache
def _kept_sql() -> str:
    """Every claim and every report asks it."""
    return KEPT.format(columns=columns_of(CarrierCredentials, alias="kept"))


def dial_order(dial: Dial, *, credentials: Mapping[str, str], now: datetime) -> DialOrder:
    """`dial`, with its call and agent at hand, as its carrier is told of it."""
    call, agent = dial.call, dial.call.agent
    return DialOrder(
        dial_id=dial.id,
        call_id=call.id,
        agent_id=agent.id,
        ask=dial.asks,
        asked_at=dial.asked_at or now,
        carrier_id=dial.carrier_id,
        from_number=call.from_number,
        to_number=call.to_number,
        prompt=call.prompt,
        greeting=call.greeting,
        params=call.params or {},
        metadata=call.metadata or {},
        language=agent.language,
        voice=agent.voice,
        voice_url=agent.voice_url,
        ring_timeout=call.ring_timeout,
        max_duration=call.max_duration,
        callback_url=callback_url(call.carrier, "dials", dial.id),
        credentials=credentials,
    )


def message_order(
    message: Message, *, credentials: Mapping[str, str], now: datetime
) -> MessageOrder:
    """`message` as its carrier is told of it."""
    return MessageOrder(
        message_id=message.id,
        agent_id=message.agent_id,
        ask=message.asks,
        asked_at=message.asked_at or now,
        carrier_id=message.carrier_id,
        from_number=message.from_number,
        to_number=message.to_number,
        text=message.text,
        callback_url=callback_url(message.carrier, "messages", message.id),
        credentials=credentials,
    )


def callback_url(carrier: str, kind: str, id: UUID) -> str:
    """Where this server hears from `carrier` about one of its dials or messages."""
    return f"{settings.BASE_URL}/carriers/{carrier}/{kind}/{id}"


def _opened(row: CarrierCredentials) -> Mapping[str, str]:
    try:
        return row.values
    except InvalidToken:
        log.error("credentials_unreadable", account=str(row.account_id), carrier=row.carrier)
        return {}
