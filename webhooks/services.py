"""Use cases about who is told, and the one function by which the apps above tell."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.models import Account, Agent
from core import secrets
from core.errors import InvalidUrl
from core.ids import parse_id
from core.targets import check_url
from core.wake import wake
from webhooks.errors import WebhookLimitReached, WebhookNotFound
from webhooks.events import CALL_COMPLETED, CALL_FAILED
from webhooks.health import hold_deliveries, release_deliveries
from webhooks.models import Delivery, Subscription, Surface
from webhooks.publishing import publish as publish
from webhooks.publishing import wake_deliveries
from webhooks.signing import new_secret

Status = Subscription.Status
MEND = "webhooks.mend"
WELL = {"failing_since": None, "failures_in_row": 0, "resumes_at": None}


@transaction.atomic
def subscribe(
    account: Account,
    *,
    url: str,
    events: Sequence[str],
    agent: Agent | None = None,
    description: str = "",
    requests_per_second: int | None = None,
    status: str = Status.ENABLED,
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
        status=status,
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
    if not isinstance(url, str):
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
    stored = lock_subscription(subscription.id)
    if fields.get("url", stored.url) != stored.url:
        fields |= WELL  # what its predecessor did says nothing of it
    for name, value in fields.items():
        setattr(subscription, name, value)
    # Only what is changed: deliveries write the columns of its health at the same time.
    subscription.save(update_fields=list(fields))
    if subscription.status != stored.status:
        _change_status(subscription)
    return subscription


@transaction.atomic
def unsubscribe(subscription: Subscription) -> None:
    """Nothing more is sent; the log of what was stays."""
    now = timezone.now()
    lock_subscription(subscription.id)
    Subscription.objects.filter(id=subscription.id, deleted_at=None).update(deleted_at=now)
    # What is being posted is left to that attempt: its worker is about to write the row.
    waiting = Delivery.objects.filter(
        subscription=subscription, status__in=(Delivery.Status.PENDING, Delivery.Status.HELD)
    )
    waiting.not_being_sent(now=now).update(
        status=Delivery.Status.CANCELED, next_attempt_at=None, ended_at=now
    )


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


def _change_status(subscription: Subscription) -> None:
    fresh: dict[str, Any] = {"status_reason": ""}
    if subscription.status == Status.ENABLED:
        fresh |= WELL
        release_deliveries(subscription, now=timezone.now())
        wake_deliveries()
    else:
        hold_deliveries(subscription)
    transaction.on_commit(partial(wake, MEND))
    for name, value in fresh.items():
        setattr(subscription, name, value)
    subscription.save(update_fields=list(fresh))
