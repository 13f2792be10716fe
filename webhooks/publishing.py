"""Publishing: an event and its deliveries go into the outbox with what happened."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from core.ids import native_id, new_id
from core.rows import columns_of, fields_of, is_postgresql, load, mark_written, prepared_cursor
from core.wake import wake
from webhooks.events import ENDPOINT_DISABLED
from webhooks.models import Delivery, Event, Subscription, Surface
from webhooks.payloads import native_body, zapier_body

DELIVER = "webhooks.deliver"


def publish(
    type: str,
    *,
    agent: Agent,
    data: Mapping[str, object],
    disposition: Mapping[str, object] | None = None,
) -> Event:
    """Put an event and its deliveries into the outbox, in the transaction of what happened.

    `type` is one of webhooks.events.TYPES, `data` the native event's `data`; an ended call brings
    its `disposition` too, which is what Zapier is told. Never refuses: the caller's change stands.
    """
    return _publish(
        type,
        account_id=agent.account_id,
        agent_id=agent.id,
        data=data,
        disposition=disposition,
    )


def publish_disabled(subscription: Subscription, *, reason: str) -> Event:
    """Tell the account's other webhooks that this one is told no more."""
    agent_id = subscription.agent_id
    data = {
        "webhookId": subscription.native_id,
        "agentId": agent_id and native_id("agent", agent_id),
        "url": subscription.url,
        "reason": reason,
    }
    return _publish(
        ENDPOINT_DISABLED,
        account_id=subscription.account_id,
        agent_id=agent_id,
        data=data,
        but=subscription.id,
    )


def wake_deliveries() -> None:
    """After commit, have a worker look at the outbox."""
    transaction.on_commit(partial(wake, DELIVER))


def _publish(
    type: str,
    *,
    account_id: UUID,
    agent_id: UUID | None,
    data: Mapping[str, object],
    disposition: Mapping[str, object] | None = None,
    but: UUID | None = None,
) -> Event:
    event_id, now = new_id(), timezone.now()
    event = Event(
        id=event_id,
        account_id=account_id,
        agent_id=agent_id,
        type=type,
        subject=str(data.get("callId") or data.get("messageId") or ""),
        body=native_body(type=type, data=data, event_id=event_id, created_at=now),
        zapier_body=zapier_body(disposition, event_id=event_id) if disposition else "",
        created_at=now,
    )
    told = [one for one in _present(account_id) if one.id != but and _is_told(one, event)]
    _keep(event, [_delivery(event, one) for one in told])
    if told:
        wake_deliveries()
    return event


def _is_told(subscription: Subscription, event: Event) -> bool:
    if subscription.surface == Surface.ZAPIER:
        return bool(event.zapier_body) and subscription.agent_id == event.agent_id
    return subscription.wants(event.type, agent_id=event.agent_id)


def _delivery(event: Event, subscription: Subscription) -> Delivery:
    is_open = subscription.status == Subscription.Status.ENABLED
    return Delivery(
        event=event,
        subscription=subscription,
        status=Delivery.Status.PENDING if is_open else Delivery.Status.HELD,
        next_attempt_at=event.created_at if is_open else None,
        created_at=event.created_at,
    )


def _present(account_id: UUID) -> Iterable[Subscription]:
    if not is_postgresql():
        return Subscription.objects.present().filter(account_id=account_id)
    with prepared_cursor() as cursor:
        cursor.execute(_present_sql(), [account_id])
        return [load(Subscription, row) for row in cursor.fetchall()]


def _keep(event: Event, deliveries: Sequence[Delivery]) -> None:
    if not is_postgresql():
        event.save(force_insert=True)
        Delivery.objects.bulk_create(deliveries)
        return
    values: dict[str, Any] = {
        **{str(field.column): getattr(event, field.attname) for field in fields_of(Event)},
        "ids": [delivery.id for delivery in deliveries],
        "subscription_ids": [delivery.subscription_id for delivery in deliveries],
        "statuses": [delivery.status for delivery in deliveries],
        "moments": [delivery.next_attempt_at for delivery in deliveries],
    }
    with prepared_cursor() as cursor:
        cursor.execute(_keep_sql(), values)
    mark_written([event])


# PostgreSQL: one statement each, for most of what happens to a call is told -----------------------

PRESENT = """
SELECT {columns} FROM webhooks_subscription AS endpoint
WHERE account_id = %s AND deleted_at IS NULL
"""
KEEP = """
WITH event AS (
    INSERT INTO webhooks_event ({names}) VALUES ({values})
)
INSERT INTO webhooks_delivery
    (id, event_id, subscription_id, status, attempts, next_attempt_at, created_at)
SELECT told.id, %(id)s, told.subscription_id, told.status, 0, told.at, %(created_at)s
FROM unnest(%(ids)s::uuid[], %(subscription_ids)s::uuid[], %(statuses)s::text[],
            %(moments)s::timestamptz[]) AS told (id, subscription_id, status, at)
"""


@cache
def _present_sql() -> str:
    return PRESENT.format(columns=columns_of(Subscription, alias="endpoint"))


@cache
def _keep_sql() -> str:
    names = [str(field.column) for field in fields_of(Event)]
    return KEEP.format(names=", ".join(names), values=", ".join(f"%({name})s" for name in names))
