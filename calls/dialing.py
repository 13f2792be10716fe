"""Dialing: asks the carrier for each waiting call at most once, and looks after it to its end.

A dial is committed before its carrier is asked. Only proof that the carrier holds nothing of it
(CarrierError) lets it be asked again; whatever is uncertain is reconciled with `fetch`, never
redialled. Every dial has a time at which a worker looks at it next, and that time is its lease:
a worker that dies leaves nothing behind but a dial that comes due again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from calls import lifecycle
from calls.carriers import carrier_named
from calls.carriers.base import Accepted, CarrierError, CarrierUncertain, DialOrder
from calls.models import Call, Dial, DialStatus
from calls.orders import Credentials, credentials_of, dial_order
from calls.reports import Report, Snapshot
from core.backoff import jittered
from core.drain import Drain
from core.ids import new_id

log = structlog.get_logger(__name__)

SLOTS = 32
# Longer than a carrier may take to answer, so that a dial has one worker at a time.
LEASE = timedelta(seconds=15)
MOST_ASKS = 5
ASK_AGAIN = timedelta(seconds=1)
RECONCILE_AGAIN = timedelta(seconds=2)
# A carrier that cannot be asked about a dial that is overdue: how often, and for how long, we try.
UNREACHABLE_AGAIN = timedelta(seconds=15)
UNREACHABLE_FOR = timedelta(minutes=5)

Outcome = Accepted | Snapshot | CarrierError | CarrierUncertain | None


@dataclass(frozen=True)
class Job:
    """One question to a carrier: take this dial, or what became of it."""

    order: DialOrder
    carrier: str
    token: UUID | None
    request_id: str
    status: DialStatus
    is_ask: bool
    is_overdue: bool

    def is_news(self, snapshot: Snapshot) -> bool:
        """Whether the carrier says more than we knew when this job was claimed."""
        here = lifecycle.ORDER[self.status]
        return any(lifecycle.ORDER[report.status] > here for report in snapshot.reports)


@dataclass(frozen=True)
class Reply:
    job: Job
    outcome: Outcome


class Dialing(Drain[Job, Reply]):
    name = "calls.dial"
    slots = SLOTS

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(SLOTS, thread_name_prefix="carrier")

    def claim(self, free: int) -> list[Job]:
        now = timezone.now()
        jobs = claim_dials(free, now=now)
        return jobs + claim_calls(free - len(jobs), now=now)

    def start(self, jobs: Sequence[Job], done: Callable[[Reply], None]) -> None:
        for job in jobs:
            self._threads.submit(_ask, job, done)

    def record(self, results: Sequence[Reply]) -> None:
        for reply in results:
            ids = {"request_id": reply.job.request_id, "dial": str(reply.job.order.dial_id)}
            with structlog.contextvars.bound_contextvars(**ids):
                try:
                    _record(reply)
                except (OperationalError, InterfaceError):
                    raise
                except Exception:
                    # The others' replies count all the same; this dial comes due again.
                    log.exception("reply_not_recorded")

    def next_due(self) -> datetime | None:
        times = [
            Dial.objects.filter(ended_at=None).order_by("due_at").values_list("due_at").first(),
            Call.objects.filter(status="queued").order_by("due_at").values_list("due_at").first(),
        ]
        return min((row[0] for row in times if row and row[0]), default=None)


@cache
def dialing() -> Dialing:
    """This process's drain."""
    return Dialing()


# Claiming -----------------------------------------------------------------------------------------


def claim_calls(limit: int, *, now: datetime) -> list[Job]:
    """Start the dials of up to `limit` waiting calls; each is ours alone to ask for."""
    if limit <= 0:
        return []
    with transaction.atomic():
        due = Call.objects.due(now=now).select_for_update(skip_locked=True)
        ids = list(due.values_list("id", flat=True)[:limit])
        dials = [lifecycle.begin_dial(call_id, lease=LEASE, now=now) for call_id in ids]
    begun = [dial for dial in dials if dial]
    return _jobs(begun, asks=begun, now=now)


def claim_dials(limit: int, *, now: datetime) -> list[Job]:
    """Lease up to `limit` dials that are due: to be asked again, looked at, or ended."""
    with transaction.atomic():
        due = list(
            Dial.objects.due(now=now)
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("call__agent")[:limit]
        )
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
        token=dial.lease_token,
        request_id=call.request_id,
        status=DialStatus(dial.status),
        is_ask=is_ask,
        is_overdue=now >= dial.deadline_at,
    )


# Asking -------------------------------------------------------------------------------------------


def _ask(job: Job, done: Callable[[Reply], None]) -> None:
    done(Reply(job=job, outcome=_question(job)))


def _question(job: Job) -> Outcome:
    """Ask the carrier, in a thread that knows nothing of the database."""
    try:
        carrier = carrier_named(job.carrier)
        if job.is_ask and timezone.now() >= job.order.asked_at + LEASE:
            return CarrierError("Too late to ask", permanent=False, reason="lease_ran_out")
        if job.is_ask:
            log.info("carrier_asked", dial=str(job.order.dial_id), request_id=job.request_id)
            return carrier.dial(job.order)
        snapshot = carrier.fetch(job.order)
        if job.is_overdue and snapshot and not job.is_news(snapshot):
            carrier.hang_up(job.order)
        return snapshot
    except (CarrierError, CarrierUncertain) as error:
        return error
    except Exception as error:
        # A carrier that fails in a way it did not foresee may have taken the order all the same.
        log.exception("carrier_broke", carrier=job.carrier)
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
        _hold(job, due_at=outcome.look_at, carrier_id=outcome.carrier_id)
        lifecycle.apply(dial_id=job.order.dial_id, report=Report(status=DialStatus.DIALING, at=now))
    elif isinstance(outcome, CarrierError):
        _record_refusal(job, outcome, now=now)
    else:
        _note(job, type="carrier_answer_lost", now=now)
        _hold(job, due_at=now + RECONCILE_AGAIN)


def _record_refusal(job: Job, error: CarrierError, *, now: datetime) -> None:
    _note(job, type="refused_by_carrier", now=now, reason=error.reason)
    if error.permanent or job.order.ask >= MOST_ASKS:
        _end(job, status=DialStatus.FAILED, reason=error.reason, now=now)
    else:
        wait = jittered(ASK_AGAIN * 2 ** (job.order.ask - 1))
        _hold(job, due_at=now + wait, asked_at=None)


def _record_look(job: Job, outcome: Outcome) -> None:
    now = timezone.now()
    if isinstance(outcome, Snapshot):
        if outcome.results:
            lifecycle.keep_results(dial_id=job.order.dial_id, results=outcome.results)
        # In the order in which it happened, so that an answer told of after the end still counts.
        for report in sorted(
            outcome.reports, key=lambda one: (one.at, lifecycle.ORDER[one.status])
        ):
            lifecycle.apply(dial_id=job.order.dial_id, report=report)
        if job.is_overdue and not job.is_news(outcome):
            _end_overdue(job, now=now)
        _hold(job, due_at=outcome.look_at)
    elif outcome is None and job.is_overdue:
        _end(job, status=DialStatus.FAILED, reason="carrier_unknown", now=now)
    elif outcome is None:
        _hold(job, due_at=now + RECONCILE_AGAIN)
    else:
        _record_unreachable(job, now=now)


def _record_unreachable(job: Job, *, now: datetime) -> None:
    deadline = Dial.objects.values_list("deadline_at", flat=True).get(id=job.order.dial_id)
    if now >= deadline + UNREACHABLE_FOR:
        _end(job, status=DialStatus.FAILED, reason="carrier_unreachable", now=now)
    else:
        _hold(job, due_at=now + UNREACHABLE_AGAIN)


def _end_overdue(job: Job, *, now: datetime) -> None:
    """The carrier forgot to end it, so we hung up; what it last said tells how it ended."""
    endings = {
        DialStatus.IN_PROGRESS: (DialStatus.COMPLETED, "max_duration"),
        DialStatus.RINGING: (DialStatus.NO_ANSWER, "ring_timeout"),
    }
    status, reason = endings.get(job.status, (DialStatus.FAILED, "carrier_silent"))
    _end(job, status=status, reason=reason, now=now)


def _end(job: Job, *, status: DialStatus, reason: str, now: datetime) -> None:
    report = Report(status=status, at=now, reason=reason)
    lifecycle.apply(dial_id=job.order.dial_id, report=report)


def _hold(job: Job, *, due_at: datetime, **fields: object) -> None:
    """Give the lease back: look again at `due_at`, or at the deadline if that comes first."""
    mine = Dial.objects.filter(id=job.order.dial_id, lease_token=job.token, ended_at=None).first()
    if mine is None:
        return  # it has ended, or the lease ran out and another worker has it
    overdue = max(mine.deadline_at, timezone.now() + RECONCILE_AGAIN)
    Dial.objects.filter(id=mine.id, lease_token=job.token, ended_at=None).update(
        due_at=min(due_at, overdue), **fields
    )


def _note(job: Job, *, type: str, now: datetime, **detail: str) -> None:
    dial = Dial.objects.select_related("call").get(id=job.order.dial_id)
    lifecycle.note(dial.call, type=type, at=now, dial=dial, detail=detail)
