"""Sending: asks the carrier for each message at most once, and asks after it until it arrived.

As with a dial, that a message was asked for is committed before its carrier is asked. Only proof
that the carrier holds nothing of it (CarrierError) lets it be asked again; whatever is uncertain is
reconciled with `fetch_sms`, never sent again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from calls import message_lifecycle as lifecycle
from calls.carriers import carrier_named
from calls.carriers.base import Accepted, CarrierError, CarrierUncertain, MessageOrder
from calls.message_queue import Leased, lease_due
from calls.models import Message, MessageQuerySet, MessageStatus
from calls.orders import Credentials, credentials_of, message_order
from calls.reports import MessageSnapshot
from calls.shares import SLOTS, Shares
from core.backoff import jittered
from core.drain import Drain

log = structlog.get_logger(__name__)

# Longer than a carrier may take to answer, so that a message has one worker at a time.
LEASE = timedelta(seconds=15)
MOST_ASKS = 5
ASK_AGAIN = timedelta(seconds=1)
# A carrier that has nothing to say of a message: when it is asked again, at the least.
RECONCILE_AGAIN = timedelta(seconds=2)
# A carrier that cannot be asked: how often, and for how long beyond the deadline, we try.
UNREACHABLE_AGAIN = timedelta(seconds=15)
UNREACHABLE_FOR = timedelta(minutes=5)

Outcome = Accepted | MessageSnapshot | CarrierError | CarrierUncertain | None


@dataclass(frozen=True)
class Job:
    """One question to a carrier: take this message, or what became of it."""

    order: MessageOrder
    message: Message
    is_ask: bool
    is_overdue: bool


@dataclass(frozen=True)
class Reply:
    job: Job
    outcome: Outcome


class Sending(Drain[Job, Reply]):
    name = "sms.send"
    slots = SLOTS

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(SLOTS, thread_name_prefix="sms")
        self._shares = Shares()

    def begin(self) -> None:
        self._shares.clear()

    def claim(self, free: int) -> list[Job]:
        now = timezone.now()
        leased = lease_due(free, shares=self._shares, lease=LEASE, now=now)
        for one in leased:
            self._shares.take(one.message.carrier, one.message.account_id)
        return _jobs(leased, now=now)

    def start(self, jobs: Sequence[Job], done: Callable[[Reply], None]) -> None:
        for job in jobs:
            self._threads.submit(_ask, job, done)

    def ended(self, results: Sequence[Reply]) -> None:
        for reply in results:
            self._shares.free(reply.job.message.carrier, reply.job.message.account_id)

    def record(self, results: Sequence[Reply]) -> None:
        for reply in results:
            message = reply.job.message
            ids = {"request_id": message.request_id, "message": message.native_id}
            with structlog.contextvars.bound_contextvars(**ids):
                try:
                    _record(reply)
                except (OperationalError, InterfaceError):
                    raise
                except Exception:
                    # The others' replies count all the same; this message comes due again.
                    log.exception("reply_not_recorded")

    def next_due(self) -> datetime | None:
        waiting = Message.objects.filter(ended_at=None, due_at__isnull=False)
        return waiting.order_by("due_at").values_list("due_at", flat=True).first()


@cache
def sending() -> Sending:
    """This process's drain."""
    return Sending()


def _jobs(leased: Sequence[Leased], *, now: datetime) -> list[Job]:
    credentials = credentials_of((one.message.account_id, one.message.carrier) for one in leased)
    return [_job(one, credentials=credentials, now=now) for one in leased]


def _job(leased: Leased, *, credentials: Credentials, now: datetime) -> Job:
    message = leased.message
    pair = (message.account_id, message.carrier)
    return Job(
        order=message_order(message, credentials=credentials[pair], now=now),
        message=message,
        is_ask=leased.is_ask,
        is_overdue=message.deadline_at is not None and now >= message.deadline_at,
    )


# Asking -------------------------------------------------------------------------------------------


def _ask(job: Job, done: Callable[[Reply], None]) -> None:
    done(Reply(job=job, outcome=_question(job)))


def _question(job: Job) -> Outcome:
    """Ask the carrier, in a thread that knows nothing of the database."""
    try:
        carrier = carrier_named(job.message.carrier)
        if not job.is_ask:
            return carrier.fetch_sms(job.order)
        if timezone.now() >= job.order.asked_at + LEASE:
            return CarrierError("Too late to ask", permanent=False, reason="lease_ran_out")
        log.info("carrier_asked", message=job.message.native_id, request_id=job.message.request_id)
        return carrier.send_sms(job.order)
    except (CarrierError, CarrierUncertain) as error:
        return error
    except Exception as error:
        # A carrier that fails in a way it did not foresee may have taken the order all the same.
        log.exception("carrier_broke", carrier=job.message.carrier)
        return CarrierUncertain(type(error).__name__)


# Recording ----------------------------------------------------------------------------------------


def _record(reply: Reply) -> None:
    if reply.job.is_ask:
        _record_ask(reply.job, reply.outcome)
    else:
        _record_look(reply.job, reply.outcome)


def _record_ask(job: Job, outcome: Outcome) -> None:
    now = timezone.now()
    if isinstance(outcome, Accepted):
        lifecycle.keep_carrier_id(outcome.carrier_id, message_id=job.message.id)
        _follow(job, look_at=outcome.look_at)
    elif isinstance(outcome, CarrierError):
        _record_refusal(job, outcome, now=now)
    else:
        log.warning("carrier_answer_lost")
        _hold(job, due_at=now + RECONCILE_AGAIN)


def _record_refusal(job: Job, error: CarrierError, *, now: datetime) -> None:
    log.info("refused_by_carrier", reason=error.reason)
    if error.permanent or job.order.ask >= MOST_ASKS:
        _give_up(job, reason=error.reason, now=now)
    else:
        wait = jittered(ASK_AGAIN * 2 ** (job.order.ask - 1))
        # Unless a report has come that contradicts the refusal: then it is out.
        unsent = _mine(job).filter(status=MessageStatus.SENDING)
        unsent.update(due_at=now + wait, asked_at=None)


def _record_look(job: Job, outcome: Outcome) -> None:
    now = timezone.now()
    if isinstance(outcome, MessageSnapshot):
        _record_snapshot(job, outcome, now=now)
    elif outcome is None and job.is_overdue:
        _give_up(job, reason="carrier_unknown", now=now)
    elif outcome is None:
        _hold(job, due_at=now + _patience(job, least=RECONCILE_AGAIN, now=now))
    elif job.message.deadline_at and now >= job.message.deadline_at + UNREACHABLE_FOR:
        _give_up(job, reason="carrier_unreachable", now=now)
    else:
        _hold(job, due_at=now + _patience(job, least=UNREACHABLE_AGAIN, now=now))


def _record_snapshot(job: Job, snapshot: MessageSnapshot, *, now: datetime) -> None:
    # In the order in which it happened, so that a sending told of after the end still counts.
    for report in sorted(snapshot.reports, key=lambda one: (one.at, lifecycle.ORDER[one.status])):
        lifecycle.apply(message_id=job.message.id, report=report)
    if now >= job.order.asked_at + lifecycle.FOLLOWED_FOR:
        _give_up(job, reason="carrier_silent", now=now)
    else:
        _follow(job, look_at=snapshot.look_at)


def _patience(job: Job, *, least: timedelta, now: datetime) -> timedelta:
    """How long to wait before asking again: the longer it has been, the longer."""
    return max(least, (now - job.order.asked_at) / 10)


def _follow(job: Job, *, look_at: datetime) -> None:
    """The carrier has it: look again at `look_at`, for as long as messages are followed."""
    deadline = job.order.asked_at + lifecycle.FOLLOWED_FOR
    _hold(job, due_at=min(look_at, deadline), deadline_at=deadline)


def _hold(job: Job, *, due_at: datetime, **fields: object) -> None:
    """Give the lease back: look again at `due_at`."""
    _mine(job).update(due_at=due_at, **fields)


def _mine(job: Job) -> MessageQuerySet:
    """The message, unless it has ended, or the lease ran out and another worker has it."""
    return Message.objects.filter(
        id=job.message.id, lease_token=job.message.lease_token, ended_at=None
    )


def _give_up(job: Job, *, reason: str, now: datetime) -> None:
    lifecycle.give_up(
        message_id=job.message.id, token=job.message.lease_token, reason=reason, now=now
    )
