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

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Min, Q
from django.utils import timezone

from calls import lifecycle, policy, questions, queue, replies
from calls.models import WAITING, Call, Dial, DialStatus, Status
from calls.orders import Credentials, credentials_of, dial_order
from calls.questions import LEASE, Job, Reply
from calls.shares import SLOTS, Shares
from core.drain import Drain
from core.ids import new_id

log = structlog.get_logger(__name__)

# How often one claim looks for other calls where those it found may not be dialled.
MOST_ROUNDS = 4


class Dialing(Drain[Job, Reply]):
    name = "calls.dial"
    slots = SLOTS

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(SLOTS, thread_name_prefix="carrier")
        self._shares = Shares()

    def begin(self) -> None:
        self._shares.clear()

    def claim(self, free: int) -> list[Job]:
        now = timezone.now()
        lifecycle.promote_due(now=now)
        lifecycle.expire_due(now=now)
        looks = self._taken(claim_dials(free, shares=self._shares, now=now))
        asks = self._taken(claim_calls(free - len(looks), shares=self._shares, now=now))
        return looks + asks

    def _taken(self, jobs: list[Job]) -> list[Job]:
        for job in jobs:
            self._shares.take(job.carrier, job.account_id)
        return jobs

    def start(self, jobs: Sequence[Job], done: Callable[[Reply], None]) -> None:
        for job in jobs:
            self._threads.submit(_put, job, done)

    def record(self, results: Sequence[Reply]) -> None:
        for reply in results:
            self._shares.free(reply.job.carrier, reply.job.account_id)
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
        waiting, dials = Call.objects.order_by(), Dial.objects.order_by()
        times = [
            dials.filter(ended_at=None).aggregate(at=Min("due_at")),
            dials.filter(stray_since__isnull=False).aggregate(at=Min("due_at")),
            waiting.filter(status=Status.QUEUED).aggregate(at=Min("due_at")),
            waiting.filter(status=Status.SCHEDULED).aggregate(at=Min("due_at")),
            waiting.filter(status__in=WAITING).aggregate(at=Min("expires_at")),
        ]
        return min((row["at"] for row in times if row["at"]), default=None)


def _put(job: Job, done: Callable[[Reply], None]) -> None:
    done(questions.put(job))


@cache
def dialing() -> Dialing:
    """This process's drain."""
    return Dialing()


# Claiming -----------------------------------------------------------------------------------------


def claim_calls(limit: int, *, shares: Shares, now: datetime) -> list[Job]:
    """Start the dials of up to `limit` waiting calls; each is ours alone to ask for."""
    dials: list[Dial] = []
    if limit > 0:
        with transaction.atomic():
            calls = _may_be_dialled(limit, shares=shares, now=now)
            dials = lifecycle.begin_dials(calls, lease=LEASE, now=now)
    return _jobs(dials, asks=dials, now=now)


def _may_be_dialled(limit: int, *, shares: Shares, now: datetime) -> list[Call]:
    """Whose turn it is, and whom nothing forbids to be called; the others are put off or ended."""
    for _ in range(MOST_ROUNDS):
        calls = lifecycle.take_waiting(queue.admit(limit, shares=shares, now=now))
        verdicts = policy.judge_many(calls, now=now)
        for call in calls:
            verdict = verdicts[call.id]
            if verdict.until:
                lifecycle.postpone(call, until=verdict.until, reason=verdict.reason, now=now)
            elif verdict.reason:
                lifecycle.end_waiting(call, reason=verdict.reason, now=now)
        allowed = [call for call in calls if verdicts[call.id].is_allowed]
        if allowed or not calls:
            return allowed
    return []


def claim_dials(limit: int, *, shares: Shares, now: datetime) -> list[Job]:
    """Lease up to `limit` dials that are due: to be asked again, looked at, hung up, or ended."""
    with transaction.atomic():
        due = _with_room(_due_dials(limit, shares=shares, now=now), shares=shares)
        asks = [dial for dial in due if dial.asked_at is None]
        for dial in asks:
            dial.asked_at = now
            dial.asks += 1
            dial.deadline_at = lifecycle.ring_deadline(dial.call, since=now)
        for dial in due:
            dial.due_at = now + LEASE
            dial.lease_token = new_id()
        Dial.objects.bulk_update(due, ["asked_at", "asks", "due_at", "deadline_at", "lease_token"])
    return _jobs(due, asks=asks, now=now)


def _due_dials(limit: int, *, shares: Shares, now: datetime) -> list[Dial]:
    full = Q(call__carrier__in=shares.full_carriers())
    for carrier, account_id in shares.full_accounts():
        full |= Q(call__carrier=carrier, call__account_id=account_id)
    due: list[Dial] = []
    for dials in (Dial.objects.due(now=now), Dial.objects.stray(now=now)):
        rows = dials.exclude(full).select_related("call__agent")
        due += rows.select_for_update(skip_locked=True, of=("self",))[: limit - len(due)]
    return due


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
