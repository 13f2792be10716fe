"""Dialing: asks the carrier for each waiting call at most once, and looks after it to its end.

A dial is committed before its carrier is asked. Only proof that the carrier holds nothing of it
(CarrierError) lets it be asked again; whatever is uncertain is reconciled with `fetch`, never
redialled. Every dial has a time at which a worker looks at it next, and that time is its lease:
a worker that dies leaves nothing behind but a dial that comes due again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from calls import begun, coming, lanes, lifecycle, policy, questions, queue, replies
from calls.lanes import Lane
from calls.models import Dial, DialQuerySet, DialStatus
from calls.orders import Credentials, credentials_of, dial_order
from calls.questions import LEASE, Job, Reply
from calls.shares import SLOTS, Shares
from calls.taken import record_taken
from core.drain import Drain
from core.ids import new_id

log = structlog.get_logger(__name__)

# How often one claim looks for other calls where those it found may not be dialled.
MOST_ROUNDS = 4


class Dialing(Drain[Job, Reply]):
    name = "calls.dial"
    slots = SLOTS
    # What is asked together is mostly answered together, and then written down together.
    gather_seconds = 0.005

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(SLOTS, thread_name_prefix="carrier")
        self._shares = Shares()

    def begin(self) -> None:
        self._shares.clear()

    def claim(self, free: int) -> list[Job]:
        due, now = coming.look(), timezone.now()
        looks: list[Job] = []
        if due.has_looks(now=now):
            looks = self._taken(claim_looks(free, shares=self._shares))
        try:
            if due.has_promotions(now=now):
                lifecycle.promote_due(now=now)
            if due.has_expiries(now=now):
                lifecycle.expire_due(now=now)
            if not due.has_asks(now=now):
                return looks
            return looks + self._taken(claim_asks(free - len(looks), shares=self._shares))
        except Exception:
            if not looks:
                raise
            # They are leased already, and shall not wait for their lease to end.
            log.exception("claim_failed")
            return looks

    def _taken(self, jobs: list[Job]) -> list[Job]:
        for job in jobs:
            self._shares.take(job.carrier, job.account_id)
        return jobs

    def start(self, jobs: Sequence[Job], done: Callable[[Reply], None]) -> None:
        for job in jobs:
            self._threads.submit(_put, job, done)

    def ended(self, results: Sequence[Reply]) -> None:
        for reply in results:
            self._shares.free(reply.job.carrier, reply.job.account_id)

    def record(self, results: Sequence[Reply]) -> None:
        for reply in record_taken(results):
            ids = {"request_id": reply.job.request_id, "dial": str(reply.job.order.dial_id)}
            with structlog.contextvars.bound_contextvars(**ids):
                try:
                    replies.record(reply)
                except (OperationalError, InterfaceError):
                    raise
                except Exception:
                    # The others' replies count all the same; this dial comes due again.
                    log.exception("reply_not_recorded")

    def next_due(self) -> datetime | None:
        return coming.look().first()


def _put(job: Job, done: Callable[[Reply], None]) -> None:
    done(questions.put(job))


@cache
def dialing() -> Dialing:
    """This process's drain."""
    return Dialing()


# Claiming -----------------------------------------------------------------------------------------


def claim_asks(limit: int, *, shares: Shares) -> list[Job]:
    """Lease up to `limit` dials to ask for: those that were refused and may be asked for again,
    then new ones of waiting calls. Each is ours alone to ask for."""
    for _ in range(MOST_ROUNDS if limit > 0 else 0):
        with queue.turn() as now:
            dials, refused = _begin_asks(limit, shares=shares, now=now)
        for call_id, reason in refused.items():
            lifecycle.end_each([call_id], reason=reason, now=now)
        if dials or not refused:
            return _jobs(dials, asks=dials, now=now)
    return []


def _begin_asks(limit: int, *, shares: Shares, now: datetime) -> tuple[list[Dial], dict[UUID, str]]:
    """The dials, and why which calls are not dialled at all."""
    survey = lanes.survey(now=now)
    rooms = queue.Rooms(survey, shares=shares)
    again = []
    if survey.has_to_ask_again:
        again = _lease_again(limit, rooms=rooms, shares=shares, now=now)
    ids = queue.admit(limit - len(again), lanes=survey.lanes, rooms=rooms, now=now)
    candidates = begun.take_waiting(ids)
    calls = [candidate.call for candidate in candidates]
    known = {candidate.call.id: candidate.known for candidate in candidates}
    verdicts = policy.judge_many(calls, known=known, now=now)
    for call in calls:
        if until := verdicts[call.id].until:
            lifecycle.postpone(call, until=until, reason=verdicts[call.id].reason, now=now)
    allowed = [one for one in candidates if verdicts[one.call.id].is_allowed]
    dials = begun.begin_dials(allowed, lease=LEASE, now=now)
    return again + dials, {
        call.id: verdicts[call.id].reason for call in calls if verdicts[call.id].is_refused
    }


def _lease_again(limit: int, *, rooms: queue.Rooms, shares: Shares, now: datetime) -> list[Dial]:
    """Dials that have their place already, and are asked for once more."""
    refused = _locked(Dial.objects.to_ask_again(now=now), limit, shares=shares)
    dials = [dial for dial in refused if rooms.ask_again(Lane.of(dial.call))]
    for dial in dials:
        dial.asked_at = dial.last_asked_at = now
        dial.asks += 1
        dial.deadline_at = lifecycle.ring_deadline(dial.call, since=now)
    _lease(dials, "asked_at", "last_asked_at", "asks", "deadline_at", now=now)
    return dials


def claim_looks(limit: int, *, shares: Shares) -> list[Job]:
    """Lease up to `limit` dials that are due: to be looked at, hung up, or ended."""
    now = timezone.now()
    with transaction.atomic():
        due = _locked(Dial.objects.to_look_at(now=now), limit, shares=shares)
        due += _locked(Dial.objects.stray(now=now), limit - len(due), shares=shares)
        due = _with_room(due, shares=shares)
        _lease(due, now=now)
    return _jobs(due, asks=[], now=now)


def _lease(dials: Sequence[Dial], *fields: str, now: datetime) -> None:
    for dial in dials:
        dial.due_at = now + LEASE
        dial.lease_token = new_id()
    Dial.objects.bulk_update(dials, ["due_at", "lease_token", *fields])


def _locked(dials: DialQuerySet, limit: int, *, shares: Shares) -> list[Dial]:
    """Up to `limit` of them that no other worker is at, of carriers that have room."""
    full = Q(call__carrier__in=shares.full_carriers())
    for carrier, account_id in shares.full_accounts():
        full |= Q(call__carrier=carrier, call__account_id=account_id)
    rows = dials.exclude(full).select_related("call__agent")
    return list(rows.select_for_update(skip_locked=True, of=("self",))[:limit])


def _with_room(dials: list[Dial], *, shares: Shares) -> list[Dial]:
    """Those that fit into the shares; the others stay due."""
    shares, fitting = shares.copy(), []
    for dial in dials:
        if shares.left(dial.call.carrier, dial.call.account_id) > 0:
            shares.take(dial.call.carrier, dial.call.account_id)
            fitting.append(dial)
    return fitting


def _jobs(dials: Sequence[Dial], *, asks: Sequence[Dial], now: datetime) -> list[Job]:
    pairs = {(dial.call.account_id, dial.call.carrier) for dial in dials}
    credentials = credentials_of(pairs)
    return [_job(dial, is_ask=dial in asks, credentials=credentials, now=now) for dial in dials]


def _job(dial: Dial, *, is_ask: bool, credentials: Credentials, now: datetime) -> Job:
    call = dial.call
    order = dial_order(dial, credentials=credentials[call.account_id, call.carrier], now=now)
    return Job(
        order=order,
        carrier=call.carrier,
        account_id=call.account_id,
        token=dial.lease_token,
        request_id=call.request_id,
        status=DialStatus(dial.status),
        is_ask=is_ask,
        is_overdue=now >= dial.deadline_at,
        is_canceled=call.cancel_requested_at is not None,
        is_stray=dial.stray_since is not None,
    )
