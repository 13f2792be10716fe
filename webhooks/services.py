"""Use cases about who is told, and the one function by which the apps above tell."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.models import Account, Agent
from core import secrets
from core.errors import InvalidUrl
from core.ids import new_id, parse_id
from core.targets import check_url
from core.wake import wake
from webhooks.errors import WebhookLimitReached, WebhookNotFound
from webhooks.events import CALL_COMPLETED, CALL_FAILED
from webhooks.health import hold_deliveries, release_deliveries
from webhooks.models import Delivery, Event, Subscription, Surface
from webhooks.payloads import native_body, zapier_body
from webhooks.signing import new_secret

DELIVER = "webhooks.deliver"
MAX_URL_LENGTH = 2000

Status = Subscription.Status


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
    event_id, now = new_id(), timezone.now()
    event = Event.objects.create(
        id=event_id,
        account_id=agent.account_id,
        agent=agent,
        type=type,
        subject=str(data.get("callId") or data.get("messageId") or ""),
        body=native_body(type=type, data=data, event_id=event_id, created_at=now),
        zapier_body=zapier_body(disposition, event_id=event_id) if disposition else "",
        created_at=now,
    )
    subscriptions = Subscription.objects.present().filter(account_id=agent.account_id)
    told = [one for one in subscriptions if _is_told(one, event, agent=agent)]
    Delivery.objects.bulk_create([_delivery(event, one) for one in told])
    if told:
        wake_deliveries()
    return event


def wake_deliveries() -> None:
    """After commit, have a worker look at the outbox."""
    transaction.on_commit(partial(wake, DELIVER))


@transaction.atomic
def subscribe(
    account: Account,
    *,
    url: str,
    events: Sequence[str],
    agent: Agent | None = None,
    description: str = "",
    requests_per_second: int | None = None,
) -> tuple[Subscription, str]:
    """A native subscription and its secret, which is to be shown now or never.

    Raises InvalidUrl for a target that could never be dialled, and WebhookLimitReached.
    """
    check_url(url)
    check_room(account.id)
    secret = new_secret()
    subscription = Subscription.objects.create(
        account=account,
        agent=agent,
        url=url,
        events=list(events),
        description=description,
        requests_per_second=requests_per_second,
        encrypted_secret=secrets.encrypt(secret),
    )
    return subscription, secret


def check_room(account_id: UUID) -> None:
    """Raise WebhookLimitReached where the account may have no further subscription.

    Holds the account's row until the transaction ends, so that two at once cannot exceed it.
    """
    _hold_account(account_id)
    present = Subscription.objects.present().filter(account_id=account_id).count()
    if present >= settings.MAX_WEBHOOKS_PER_ACCOUNT:
        raise WebhookLimitReached(settings.MAX_WEBHOOKS_PER_ACCOUNT)


@transaction.atomic
def subscribe_zap(agent: Agent, *, url: object) -> Subscription:
    """Zapier's subscription to how the agent's calls end. Asked for again: the same, enabled.

    Raises InvalidUrl for a target that could never be dialled, and WebhookLimitReached.
    """
    if not isinstance(url, str) or len(url) > MAX_URL_LENGTH:
        raise InvalidUrl
    check_url(url)
    # Before the look, so that of two at once the second finds what the first has made.
    _hold_account(agent.account_id)
    present = Subscription.objects.present().filter(surface=Surface.ZAPIER, agent=agent, url=url)
    subscription = present.first() or _new_zap(agent, url=url)
    if subscription.status != Status.ENABLED:
        change_subscription(subscription, status=Status.ENABLED)
    return subscription


@transaction.atomic
def change_subscription(subscription: Subscription, **fields: Any) -> Subscription:
    """Change url, events, agent, description, requests_per_second or status.

    What happens while it is paused or disabled is held, and sent once it is enabled again.
    """
    if "url" in fields:
        check_url(fields["url"])
    was = lock_subscription(subscription.id).status
    for name, value in fields.items():
        setattr(subscription, name, value)
    # Only what is changed: deliveries write the columns of its health at the same time.
    subscription.save(update_fields=list(fields))
    if subscription.status != was:
        _change_status(subscription)
    return subscription


@transaction.atomic
def unsubscribe(subscription: Subscription) -> None:
    """Nothing more is sent; the log of what was stays."""
    now = timezone.now()
    lock_subscription(subscription.id)
    Subscription.objects.filter(id=subscription.id, deleted_at=None).update(deleted_at=now)
    Delivery.objects.filter(
        subscription=subscription, status__in=(Delivery.Status.PENDING, Delivery.Status.HELD)
    ).update(status=Delivery.Status.CANCELED, next_attempt_at=None, ended_at=now)


def lock_subscription(subscription_id: UUID) -> Subscription:
    """The row as it is now, held until the transaction ends.

    Who writes both takes it before any delivery of it, so that no two wait for each other.
    """
    return Subscription.objects.select_for_update(no_key=True).get(id=subscription_id)


def find_subscription(
    account: Account, webhook_id: object, *, surface: str = Surface.NATIVE
) -> Subscription:
    """The account's subscription by either form of its id. Raises WebhookNotFound.

    One of the other surface is not there: what it is told, and how, is not this one's to change.
    """
    parsed = parse_id("whk", webhook_id)
    present = Subscription.objects.for_account(account).present().filter(surface=surface)
    subscription = parsed and present.filter(id=parsed).first()
    if not subscription:
        raise WebhookNotFound
    return subscription


def _hold_account(account_id: UUID) -> None:
    Account.objects.select_for_update(no_key=True).get(id=account_id)


def _new_zap(agent: Agent, *, url: str) -> Subscription:
    check_room(agent.account_id)
    return Subscription.objects.create(
        account_id=agent.account_id,
        agent=agent,
        surface=Surface.ZAPIER,
        url=url,
        events=[CALL_COMPLETED, CALL_FAILED],
        encrypted_secret=secrets.encrypt(new_secret()),
    )


def _is_told(subscription: Subscription, event: Event, *, agent: Agent) -> bool:
    if subscription.surface == Surface.ZAPIER:
        return bool(event.zapier_body) and subscription.agent_id == agent.id
    return subscription.wants(event.type, agent=agent)


def _delivery(event: Event, subscription: Subscription) -> Delivery:
    is_open = subscription.status == Status.ENABLED
    return Delivery(
        event=event,
        subscription=subscription,
        status=Delivery.Status.PENDING if is_open else Delivery.Status.HELD,
        next_attempt_at=event.created_at if is_open else None,
        created_at=event.created_at,
    )


def _change_status(subscription: Subscription) -> None:
    fresh: dict[str, Any] = {"status_reason": ""}
    if subscription.status == Status.ENABLED:
        fresh |= {"failing_since": None, "failures_in_row": 0, "resumes_at": None}
        release_deliveries(subscription, now=timezone.now())
        wake_deliveries()
    else:
        hold_deliveries(subscription)
    for name, value in fresh.items():
        setattr(subscription, name, value)
    subscription.save(update_fields=list(fresh))
