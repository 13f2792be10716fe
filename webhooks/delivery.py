"""Delivery: sends what is due, side by side, and writes down what became of it.

Rows are the outbox. A claim leases a delivery by pushing its due time past the longest possible
attempt; results are written only by the holder of the lease. At least once, then, with the same
event id every time.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from core import http
from core.backoff import delay_after
from core.drain import Drain
from core.ids import new_id
from core.version import VERSION
from webhooks import health
from webhooks.models import Attempt, Delivery, Subscription
from webhooks.signing import signature_headers

log = structlog.get_logger(__name__)

SLOTS = 128
# No endpoint takes more than its share of the slots, however slow it is.
SHARE = 16
# Longer than an attempt can take, with room for the writing.
LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Post:
    """One attempt under way."""

    delivery: Delivery
    token: UUID | None
    headers: dict[str, str]
    body: bytes
    started_at: datetime


@dataclass(frozen=True)
class Sent:
    post: Post
    answer: http.Answer


class Deliveries(Drain[Post, Sent]):
    name = "webhooks.deliver"
    slots = SLOTS

    def __init__(self) -> None:
        super().__init__()
        self._in_flight: Counter[UUID] = Counter()

    def begin(self) -> None:
        self._in_flight.clear()

    def claim(self, free: int) -> list[Post]:
        now = timezone.now()
        deliveries = claim_due(free, now=now, in_flight=self._in_flight)
        self._in_flight.update(delivery.subscription_id for delivery in deliveries)
        return [_post(delivery, now=now) for delivery in deliveries]

    def start(self, job: Post, done: Callable[[Sent], None]) -> None:
        outgoing = http.Outgoing(
            url=job.delivery.subscription.url, headers=job.headers, body=job.body
        )
        http.client().post(outgoing, lambda answer: done(Sent(post=job, answer=answer)))

    def record(self, results: Sequence[Sent]) -> None:
        self._in_flight.subtract(sent.post.delivery.subscription_id for sent in results)
        record_attempts(results, now=timezone.now())

    def next_due(self) -> datetime | None:
        return (
            Delivery.objects.filter(
                status=Delivery.Status.PENDING,
                subscription__in=Subscription.objects.open(now=timezone.now()),
            )
            .order_by("next_attempt_at")
            .values_list("next_attempt_at", flat=True)
            .first()
        )


@cache
def deliveries() -> Deliveries:
    """This process's drain."""
    return Deliveries()


def claim_due(free: int, *, now: datetime, in_flight: Counter[UUID]) -> list[Delivery]:
    """Lease up to `free` due deliveries, no more than its share for any one subscription."""
    due = Delivery.objects.due(now=now).filter(subscription=OuterRef("id"))
    endpoints = Subscription.objects.open(now=now).filter(Exists(due))
    claimed: list[Delivery] = []
    # The least busy first, so that who has waited for a slot gets the next one.
    for endpoint in sorted(endpoints, key=lambda one: in_flight[one.id]):
        share = min(SHARE - in_flight[endpoint.id], free - len(claimed))
        if share > 0:
            claimed += _lease(endpoint, share, now=now)
    return claimed


def _lease(endpoint: Subscription, share: int, *, now: datetime) -> list[Delivery]:
    token = new_id()
    with transaction.atomic():
        due = list(
            Delivery.objects.due(now=now)
            .filter(subscription=endpoint)
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("event")
            .order_by("next_attempt_at")[:share]
        )
        Delivery.objects.filter(id__in=[delivery.id for delivery in due]).update(
            next_attempt_at=now + LEASE, lease_token=token
        )
    for delivery in due:
        delivery.lease_token = token
        delivery.subscription = endpoint
    return due


def _post(delivery: Delivery, *, now: datetime) -> Post:
    body = delivery.event.body_for(delivery.subscription.surface).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Outdial/{VERSION}",
        **signature_headers(
            body,
            message_id=delivery.event.native_id,
            timestamp=int(now.timestamp()),
            signing_secrets=delivery.subscription.signing_secrets(now=now),
        ),
    }
    return Post(
        delivery=delivery, token=delivery.lease_token, headers=headers, body=body, started_at=now
    )


def record_attempts(results: Sequence[Sent], *, now: datetime) -> None:
    """Write the attempts, and where each delivery stands now."""
    with transaction.atomic():
        for sent in results:
            _settle(sent, now=now)
        Attempt.objects.bulk_create([_attempt(sent) for sent in results])


def _settle(sent: Sent, *, now: datetime) -> None:
    delivery, answer = sent.post.delivery, sent.answer
    subscription = delivery.subscription
    attempts = delivery.attempts + 1
    Delivery.objects.filter(
        id=delivery.id, lease_token=sent.post.token, status=Delivery.Status.PENDING
    ).update(attempts=attempts, **_standing(answer, attempts=attempts, now=now))
    if answer.failure:
        health.note_failure(
            subscription,
            status=answer.status,
            retry_after=answer.headers.get("Retry-After"),
            now=now,
        )
    else:
        health.note_success(subscription)
    log.info(
        "webhook_attempt",
        delivery=delivery.native_id,
        event_id=delivery.event.native_id,
        subject=delivery.event.subject,
        number=attempts,
        status=answer.status,
        failure=answer.failure,
    )


def _standing(answer: http.Answer, *, attempts: int, now: datetime) -> dict[str, object]:
    """The columns of a delivery after its attempt."""
    if not answer.failure:
        return {"status": Delivery.Status.DELIVERED, "next_attempt_at": None, "ended_at": now}
    delay = delay_after(attempts, schedule=settings.WEBHOOK_RETRY_SCHEDULE)
    if delay is None:
        return {"status": Delivery.Status.FAILED, "next_attempt_at": None, "ended_at": now}
    return {"next_attempt_at": now + delay, "lease_token": None}


def _attempt(sent: Sent) -> Attempt:
    answer = sent.answer
    return Attempt(
        delivery=sent.post.delivery,
        number=sent.post.delivery.attempts + 1,
        started_at=sent.post.started_at,
        duration=answer.duration,
        failure=answer.failure,
        request_headers=sent.post.headers,
        response_status=answer.status,
        response_headers=dict(answer.headers),
        # PostgreSQL stores no NUL.
        response_body=answer.body.decode("utf-8", "replace").replace("\x00", "\ufffd"),
        address=answer.address,
    )
