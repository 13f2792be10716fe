"""Use cases that steer what is sent: rotate a secret, send a test, send again, recover."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from agents.models import Account
from core import secrets
from core.ids import new_id, parse_id
from webhooks.errors import DeliveryNotFound, WebhookNotEnabled, WebhookNotFound
from webhooks.events import TEST
from webhooks.models import Delivery, DeliveryQuerySet, Event, Subscription, Surface
from webhooks.payloads import native_body, test_disposition, zapier_body
from webhooks.publishing import wake_deliveries
from webhooks.services import lock_subscription
from webhooks.signing import new_secret

OVERLAP = timedelta(hours=24)
RECOVERS_DAYS = 14
BATCH = 2000

Status = Delivery.Status


@transaction.atomic
def rotate_secret(subscription: Subscription) -> str:
    """A new secret, which is to be shown now or never. The one before signs too for 24 hours."""
    # Of two at once, the second keeps the first one's secret as the one before.
    stored = lock_subscription(subscription.id)
    secret = new_secret()
    Subscription.objects.filter(id=stored.id).update(
        encrypted_secret=secrets.encrypt(secret),
        encrypted_old_secret=stored.encrypted_secret,
        old_secret_until=timezone.now() + OVERLAP,
    )
    return secret


@transaction.atomic
def send_test(subscription: Subscription) -> Delivery:
    """A `test` event for just this subscription, whatever it chose. Raises WebhookNotEnabled."""
    _check_enabled(subscription)
    event = _test_event(subscription)
    event.save(force_insert=True)
    delivery = Delivery.objects.create(
        event=event,
        subscription=subscription,
        next_attempt_at=event.created_at,
        created_at=event.created_at,
    )
    wake_deliveries()
    return delivery


def redeliver(delivery: Delivery) -> Delivery:
    """Due now, whatever became of it, with the same event id and the same bytes.

    One that is being posted at this moment is left to that attempt: it is what was asked for, and
    if it fails it comes due again by itself. Raises WebhookNotFound where the subscription was
    removed, WebhookNotEnabled, and DeliveryNotFound where it was too old and went just now.
    """
    if delivery.subscription.deleted_at:
        raise WebhookNotFound
    _check_enabled(delivery.subscription)
    make_due(Delivery.objects.filter(id=delivery.id))
    try:
        delivery.refresh_from_db(fields=["status", "attempts", "next_attempt_at", "ended_at"])
    except Delivery.DoesNotExist:
        raise DeliveryNotFound from None
    return delivery


def redeliver_all(deliveries: DeliveryQuerySet) -> int:
    """How many of them are due now: those whose subscription is there and enabled."""
    enabled = Subscription.objects.present().filter(status=Subscription.Status.ENABLED)
    return make_due(deliveries.filter(subscription__in=enabled))


def recover(subscription: Subscription, *, since: datetime) -> int:
    """How many deliveries are due again: those of events since then that failed or were held.

    Raises WebhookNotEnabled.
    """
    _check_enabled(subscription)
    lost = Delivery.objects.filter(
        subscription=subscription, status__in=(Status.FAILED, Status.HELD), created_at__gte=since
    )
    ids = list(lost.order_by("created_at", "id").values_list("id", flat=True))
    # In batches, oldest first: the first are sent while the last are written, and SQLite's other
    # writers get their turn.
    batches = (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))
    return sum(make_due(lost.filter(id__in=batch)) for batch in batches)


def complaint_about(since: datetime, *, now: datetime) -> str:
    """Why nothing can be recovered since that time; empty where it can."""
    if since > now:
        return "is in the future"
    if now - since > timedelta(days=RECOVERS_DAYS):
        return f"is more than {RECOVERS_DAYS} days ago"
    return ""


def make_due(deliveries: DeliveryQuerySet) -> int:
    """One conditional update, so that what a worker has just leased is never sent twice at once."""
    now = timezone.now()
    due = deliveries.not_being_sent(now=now).update(
        status=Status.PENDING, next_attempt_at=now, lease_token=None, ended_at=None
    )
    wake_deliveries()
    return due


def find_delivery(account: Account, delivery_id: object) -> Delivery:
    """A delivery of the account's native webhooks, removed ones too. Raises DeliveryNotFound."""
    parsed = parse_id("dlv", delivery_id)
    theirs = Delivery.objects.for_account(account).filter(subscription__surface=Surface.NATIVE)
    delivery = parsed and theirs.select_related("event", "subscription").filter(id=parsed).first()
    if not delivery:
        raise DeliveryNotFound
    return delivery


def _check_enabled(subscription: Subscription) -> None:
    if subscription.status != Subscription.Status.ENABLED:
        raise WebhookNotEnabled


def _test_event(subscription: Subscription) -> Event:
    event_id, now = new_id(), timezone.now()
    is_zap = subscription.surface == Surface.ZAPIER
    data = {
        "test": True,
        "webhookId": subscription.native_id,
        "message": "This is a test. No call was placed.",
    }
    disposition = test_disposition(agent_id=subscription.agent_id, event_id=event_id, now=now)
    return Event(
        id=event_id,
        account_id=subscription.account_id,
        agent_id=subscription.agent_id,
        type=TEST,
        body=native_body(type=TEST, data=data, event_id=event_id, created_at=now),
        zapier_body=zapier_body(disposition, event_id=event_id) if is_zap else "",
        created_at=now,
    )
