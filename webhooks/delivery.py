"""Delivery: sends what is due, side by side, and writes down what became of it.

Rows are the outbox (webhooks.leases, webhooks.outbox). At least once, then, with the same event id
every time.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from core import http
from core.backoff import delay_after
from core.drain import Drain
from core.ids import native_id
from core.version import VERSION
from webhooks import health, leases, outbox
from webhooks.leases import Leased
from webhooks.models import Delivery, Subscription
from webhooks.outbox import Standing
from webhooks.signing import signature_headers

log = structlog.get_logger(__name__)

SLOTS = 384
# No endpoint takes more than its share of the slots, however slow it is.
FIRST_SHARE = 8
LARGEST_SHARE = 128
# Of so many endpoints the shares are kept in mind; beyond that, idle ones start again.
MOST_KNOWN = 1024
# An endpoint that takes longer than this earns no larger share, however well it does.
FAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Post:
    """One attempt under way."""

    leased: Leased
    outgoing: http.Outgoing
    started_at: datetime
    # Why it cannot be sent at all.
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    post: Post
    answer: http.Answer


class Deliveries(Drain[Post, Sent]):
    name = "webhooks.deliver"
    slots = SLOTS
    gather_seconds = 0.01

    def __init__(self) -> None:
        super().__init__()
        self._shares = Shares()

    def begin(self) -> None:
        self._shares.forget()

    def claim(self, free: int) -> list[Post]:
        now = timezone.now()
        leased = leases.lease_due(free, rooms=self._shares.rooms(), share=FIRST_SHARE, now=now)
        self._shares.began(one.subscription.id for one in leased)
        return [_post(one, now=now) for one in leased]

    def start(self, jobs: Sequence[Post], done: Callable[[Sent], None]) -> None:
        for job in jobs:
            if job.failure:
                done(Sent(post=job, answer=http.Answer(failure=job.failure, duration=0.0)))
        sendable = [job for job in jobs if not job.failure]
        http.client().post_all((job.outgoing, partial(_sent, job, done)) for job in sendable)

    def ended(self, results: Sequence[Sent]) -> None:
        self._shares.ended((sent.post.leased.subscription.id, sent.answer) for sent in results)

    def is_urgent(self, results: Sequence[Sent]) -> bool:
        # Who failed may have to be left alone.
        return any(sent.answer.failure for sent in results)

    def record(self, results: Sequence[Sent]) -> None:
        now = timezone.now()
        try:
            record_attempts(results, now=now)
        except Exception as error:
            if _is_connection_lost(error):
                raise
            # One result that cannot be written must not take the others with it.
            log.exception("batch_not_recorded", attempts=len(results))
            for sent in results:
                _record_alone(sent, now=now)

    def next_due(self) -> datetime | None:
        return leases.next_due(now=timezone.now())


class Shares:
    """How much each endpoint may have in flight from this process.

    An endpoint starts small and doubles with each batch that it takes, so that a slow one never
    gets far; a failure sets it back to one, so that one that returns meets no herd.
    """

    def __init__(self) -> None:
        self._in_flight: dict[UUID, int] = {}
        self._share: dict[UUID, int] = {}

    def rooms(self) -> dict[UUID, int]:
        """What is left to each endpoint known; any other has FIRST_SHARE."""
        return {
            one: max(share - self._in_flight.get(one, 0), 0) for one, share in self._share.items()
        }

    def began(self, endpoints: Iterable[UUID]) -> None:
        for endpoint in endpoints:
            # Taken out and put in again, so that who has been idle for longest comes first.
            self._share[endpoint] = self._share.pop(endpoint, FIRST_SHARE)
            self._in_flight[endpoint] = self._in_flight.get(endpoint, 0) + 1
        for endpoint in list(islice(self._share, max(len(self._share) - MOST_KNOWN, 0))):
            if not self._in_flight.get(endpoint):
                del self._share[endpoint]
                self._in_flight.pop(endpoint, None)

    def ended(self, answers: Iterable[tuple[UUID, http.Answer]]) -> None:
        """An endpoint's share after a batch: twice as large, one after a failure, the same where
        it was slow."""
        grouped: dict[UUID, list[http.Answer]] = defaultdict(list)
        for endpoint, answer in answers:
            self._in_flight[endpoint] -= 1
            grouped[endpoint].append(answer)
        for endpoint, batch in grouped.items():
            if any(answer.failure for answer in batch):
                self._share[endpoint] = 1
            elif all(answer.duration < FAST_SECONDS for answer in batch):
                self._share[endpoint] = min(self._share[endpoint] * 2, LARGEST_SHARE)

    def forget(self) -> None:
        self._in_flight.clear()
        self._share.clear()


@cache
def deliveries() -> Deliveries:
    """This process's drain."""
    return Deliveries()


def _post(leased: Leased, *, now: datetime) -> Post:
    body = leased.body.encode()
    headers = {"Content-Type": "application/json", "User-Agent": f"Outdial/{VERSION}"}
    outgoing = http.Outgoing(url=leased.subscription.url, headers=headers, body=body)
    try:
        headers |= signature_headers(
            body,
            message_id=native_id("evt", leased.event_id),
            timestamp=int(now.timestamp()),
            signing_secrets=leased.subscription.signing_secrets(now=now),
        )
    except InvalidToken:
        # None of ENCRYPTION_KEYS opens it: one was taken away that was still needed.
        return Post(leased=leased, outgoing=outgoing, started_at=now, failure="secret_unreadable")
    return Post(leased=leased, outgoing=outgoing, started_at=now)


def _sent(post: Post, done: Callable[[Sent], None], answer: http.Answer) -> None:
    done(Sent(post=post, answer=answer))


def _is_connection_lost(error: Exception) -> bool:
    # A deadlock comes as the same kind of error, but is over when it is reported.
    is_over = getattr(error.__cause__, "sqlstate", None) in ("40P01", "40001")
    return isinstance(error, OperationalError | InterfaceError) and not is_over


def _record_alone(sent: Sent, *, now: datetime) -> None:
    try:
        record_attempts([sent], now=now)
    except Exception as error:
        if _is_connection_lost(error):
            raise
        log.exception("attempt_not_recorded", delivery=native_id("dlv", sent.post.leased.id))
        # Whether it was taken counts; what the endpoint said is what could not be written.
        bare = replace(
            sent.answer,
            failure="not_recorded" if sent.answer.failure else "",
            headers={},
            body=b"",
            address=None,
        )
        record_attempts([replace(sent, answer=bare)], now=now)


def record_attempts(results: Sequence[Sent], *, now: datetime) -> None:
    """Write the attempts, where each delivery stands now, and how its endpoint does."""
    grouped: dict[UUID, list[http.Answer]] = defaultdict(list)
    for sent in results:
        grouped[sent.post.leased.subscription.id].append(sent.answer)
    failed = [one for one, answers in grouped.items() if any(answer.failure for answer in answers)]
    with transaction.atomic():
        # Endpoints before deliveries, in one order: so does everybody who writes both.
        judged = outbox.lock_to_judge(list(grouped), failed=failed)
        idle = {one.id for one in judged if one.status != Subscription.Status.ENABLED}
        outbox.settle([_standing(sent, idle=idle, now=now) for sent in results])
        outbox.log_attempts([_attempt(sent) for sent in results])
        for endpoint in judged:
            health.judge(endpoint, _outcomes(grouped[endpoint.id], now=now), now=now)
    for sent in results:
        if sent.answer.failure:
            _log_failure(sent)


def _outcomes(answers: Sequence[http.Answer], *, now: datetime) -> health.Outcomes:
    failed = [answer for answer in answers if answer.failure]
    asked = (
        health.pause_asked(answer.headers.get("Retry-After"), now=now)
        for answer in failed
        if answer.status in health.ASKS_TO_WAIT
    )
    return health.Outcomes(
        succeeded=len(answers) - len(failed),
        failed=len(failed),
        is_gone=any(answer.status == health.GONE for answer in failed),
        pause=max((pause for pause in asked if pause), default=None),
    )


def _standing(sent: Sent, *, idle: Collection[UUID], now: datetime) -> Standing:
    """`idle` are the endpoints that were disabled or paused while this was on its way: what they
    did not take is held with the rest."""
    leased = sent.post.leased
    stands = partial(Standing, id=leased.id, token=leased.token)
    if not sent.answer.failure:
        return stands(status=Delivery.Status.DELIVERED, next_attempt_at=None, ended_at=now)
    delay = delay_after(leased.attempts + 1, schedule=settings.WEBHOOK_RETRY_SCHEDULE)
    if not delay:
        return stands(status=Delivery.Status.FAILED, next_attempt_at=None, ended_at=now)
    if leased.subscription.id in idle:
        return stands(status=Delivery.Status.HELD, next_attempt_at=None, ended_at=None)
    return stands(status=Delivery.Status.PENDING, next_attempt_at=now + delay, ended_at=None)


def _attempt(sent: Sent) -> dict[str, Any]:
    leased, answer = sent.post.leased, sent.answer
    return {
        "delivery_id": leased.id,
        "number": leased.attempts + 1,
        "started_at": sent.post.started_at,
        "duration": answer.duration,
        "failure": answer.failure,
        "request_headers": sent.post.outgoing.headers,
        "response_status": answer.status,
        "response_headers": {name: _storable(text) for name, text in answer.headers.items()},
        "response_body": _storable(answer.body.decode("utf-8", "replace")),
        "address": answer.address,
    }


def _storable(text: str) -> str:
    """`text` without what PostgreSQL refuses: NUL, and the halves of surrogate pairs that stand
    for bytes of a header that are no UTF-8."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _log_failure(sent: Sent) -> None:
    leased, answer = sent.post.leased, sent.answer
    log.info(
        "webhook_attempt_failed",
        delivery=native_id("dlv", leased.id),
        event_id=native_id("evt", leased.event_id),
        subject=leased.subject,
        number=leased.attempts + 1,
        status=answer.status,
        failure=answer.failure,
    )
