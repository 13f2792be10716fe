"""Publishing: an event and its deliveries go into the outbox with what happened."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from core.ids import native_id, new_id
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
    event = Event.objects.create(
        id=event_id,
        account_id=account_id,
        agent_id=agent_id,
        type=type,
        subject=str(data.get("callId") or data.get("messageId") or ""),
        body=native_body(type=type, data=data, event_id=event_id, created_at=now),
        zapier_body=zapier_body(disposition, event_id=event_id) if disposition else "",
        created_at=now,
    )
    subscriptions = Subscription.objects.present().filter(account_id=account_id)
    told = [one for one in subscriptions if one.id != but and _is_told(one, event)]
    Delivery.objects.bulk_create([_delivery(event, one) for one in told])
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
