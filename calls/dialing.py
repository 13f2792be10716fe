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
from django.db.models import F, Min, Q, Value
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from calls import lifecycle, policy, queue
from calls.carriers import carrier_named
from calls.carriers.base import Accepted, Carrier, CarrierError, CarrierUncertain, DialOrder
from calls.models import TERMINAL, WAITING, Call, Dial, DialStatus, Status
from calls.orders import Credentials, credentials_of, dial_order
from calls.reports import Report, Snapshot
from calls.shares import SLOTS, Shares
from core.backoff import jittered
from core.drain import Drain
from core.ids import new_id

log = structlog.get_logger(__name__)

# Longer than a carrier may take to answer, so that a dial has one worker at a time.
LEASE = timedelta(seconds=15)
MOST_ASKS = 5
# How often one claim looks for other calls where those it found may not be dialled.
MOST_ROUNDS = 4
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
    account_id: UUID
    token: UUID | None
    request_id: str
    status: DialStatus
    is_ask: bool
    is_overdue: bool
    is_canceled: bool
    is_stray: bool

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
            self._threads.submit(_ask, job, done)

    def record(self, results: Sequence[Reply]) -> None:
        for reply in results:
            self._shares.free(reply.job.carrier, reply.job.account_id)
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
        waiting, dials = Call.objects.order_by(), Dial.objects.order_by()
        times = [
            dials.filter(ended_at=None).aggregate(at=Min("due_at")),
            dials.filter(stray_since__isnull=False).aggregate(at=Min("due_at")),
            waiting.filter(status=Status.QUEUED).aggregate(at=Min("due_at")),
            waiting.filter(status=Status.SCHEDULED).aggregate(at=Min("due_at")),
            waiting.filter(status__in=WAITING).aggregate(at=Min("expires_at")),
        ]
        return min((row["at"] for row in times if row["at"]), default=None)


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


# Asking -------------------------------------------------------------------------------------------


def _ask(job: Job, done: Callable[[Reply], None]) -> None:
    done(Reply(job=job, outcome=_question(job)))


def _question(job: Job) -> Outcome:
    """Ask the carrier, in a thread that knows nothing of the database."""
    try:
        carrier = carrier_named(job.carrier)
        if job.is_ask:
            return _order(carrier, job)
        return _hang_up(carrier, job) if job.is_stray else _look(carrier, job)
    except (CarrierError, CarrierUncertain) as error:
        return error
    except Exception as error:
        # A carrier that fails in a way it did not foresee may have taken the order all the same.
        log.exception("carrier_broke", carrier=job.carrier)
        return CarrierUncertain(type(error).__name__)


def _order(carrier: Carrier, job: Job) -> Accepted:
    if timezone.now() >= job.order.asked_at + LEASE:
        raise CarrierError("Too late to ask", permanent=False, reason="lease_ran_out")
    log.info("carrier_asked", dial=str(job.order.dial_id), request_id=job.request_id)
    return carrier.dial(job.order)


def _look(carrier: Carrier, job: Job) -> Snapshot | None:
    snapshot = carrier.fetch(job.order)
    if job.is_canceled and _may_be_alive(snapshot, job):
        return _hang_up(carrier, job, snapshot)
    if job.is_overdue and snapshot and not job.is_news(snapshot):
        carrier.hang_up(job.order)
    return snapshot


def _may_be_alive(snapshot: Snapshot | None, job: Job) -> bool:
    if snapshot is None:
        return job.status is not DialStatus.ASKING  # it was taken, and should be known
    return not any(report.status in TERMINAL for report in snapshot.reports)


def _hang_up(carrier: Carrier, job: Job, snapshot: Snapshot | None = None) -> Snapshot:
    carrier.hang_up(job.order)
    return snapshot or Snapshot(reports=(), look_at=timezone.now())


# Recording ----------------------------------------------------------------------------------------


def _record(reply: Reply) -> None:
    if reply.job.is_ask:
        _record_ask(reply.job, reply.outcome)
    elif reply.job.is_stray:
        _record_stray(reply.job, reply.outcome)
    else:
        _record_look(reply.job, reply.outcome)


def _record_ask(job: Job, outcome: Outcome) -> None:
    now = timezone.now()
    if isinstance(outcome, Accepted):
        _record_accepted(job, outcome, now=now)
    elif isinstance(outcome, CarrierError):
        _record_refusal(job, outcome, now=now)
    else:
        _note(job, type="carrier_answer_lost", now=now)
        _hold(job, due_at=now + RECONCILE_AGAIN)


def _record_accepted(job: Job, accepted: Accepted, *, now: datetime) -> None:
    dial = Dial.objects.select_related("call").get(id=job.order.dial_id)
    if dial.ended_at:
        # It was given up while the carrier thought about it.
        Dial.objects.filter(id=dial.id).update(carrier_id=accepted.carrier_id)
        lifecycle.mark_stray(dial, now=now)
        return
    _hold(job, due_at=accepted.look_at, carrier_id=accepted.carrier_id)
    lifecycle.apply(dial_id=dial.id, report=Report(status=DialStatus.DIALING, at=now))


def _record_refusal(job: Job, error: CarrierError, *, now: datetime) -> None:
    _note(job, type="refused_by_carrier", now=now, reason=error.reason)
    if error.permanent or job.order.ask >= MOST_ASKS or _is_cancel_requested(job):
        _end_refused(job, error, now=now)
    else:
        wait = jittered(ASK_AGAIN * 2 ** (job.order.ask - 1))
        _hold(job, due_at=now + wait, asked_at=None)


def _record_look(job: Job, outcome: Outcome) -> None:
    now = timezone.now()
    if isinstance(outcome, Snapshot):
        _record_snapshot(job, outcome, now=now)
    elif outcome is None and job.is_canceled and job.is_overdue:
        _end(job, status=DialStatus.CANCELED, reason="on_request", now=now)
    elif outcome is None and job.is_overdue:
        _end(job, status=DialStatus.FAILED, reason="carrier_unknown", now=now)
    elif outcome is None:
        _hold(job, due_at=now + RECONCILE_AGAIN)
    else:
        _record_unreachable(job, now=now)


def _record_snapshot(job: Job, snapshot: Snapshot, *, now: datetime) -> None:
    if snapshot.results:
        lifecycle.keep_results(dial_id=job.order.dial_id, results=snapshot.results)
    # In the order in which it happened, so that an answer told of after the end still counts.
    for report in sorted(snapshot.reports, key=lambda one: (one.at, lifecycle.ORDER[one.status])):
        lifecycle.apply(dial_id=job.order.dial_id, report=report)
    if job.is_canceled:
        _end_canceled(job, now=now)
    elif job.is_overdue and not job.is_news(snapshot):
        _end_overdue(job, now=now)
    _hold(job, due_at=snapshot.look_at)


def _end_canceled(job: Job, *, now: datetime) -> None:
    """It was hung up: before its answer it was canceled, after it a call as any other."""
    status = Dial.objects.values_list("status", flat=True).get(id=job.order.dial_id)
    if status == DialStatus.IN_PROGRESS:
        _end(job, status=DialStatus.COMPLETED, reason="hung_up", now=now)
    else:
        _end(job, status=DialStatus.CANCELED, reason="on_request", now=now)


def _record_stray(job: Job, outcome: Outcome) -> None:
    now = timezone.now()
    dial = Dial.objects.select_related("call").get(id=job.order.dial_id)
    if isinstance(outcome, Snapshot):
        lifecycle.note(dial.call, type="stray_hung_up", at=now, dial=dial)
    elif dial.stray_since and now < dial.stray_since + UNREACHABLE_FOR:
        Dial.objects.filter(id=dial.id).update(due_at=now + UNREACHABLE_AGAIN, lease_token=None)
        return
    else:
        lifecycle.note(dial.call, type="stray_left", at=now, dial=dial)
    Dial.objects.filter(id=dial.id).update(stray_since=None, lease_token=None)


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


def _end_refused(job: Job, error: CarrierError, *, now: datetime) -> None:
    if _is_cancel_requested(job):
        _end(job, status=DialStatus.CANCELED, reason="on_request", now=now)
        return
    report = Report(
        status=DialStatus.FAILED, at=now, reason=error.reason, was_not_taken=not error.permanent
    )
    lifecycle.apply(dial_id=job.order.dial_id, report=report)


def _end(job: Job, *, status: DialStatus, reason: str, now: datetime) -> None:
    report = Report(status=status, at=now, reason=reason)
    lifecycle.apply(dial_id=job.order.dial_id, report=report)


def _hold(job: Job, *, due_at: datetime, **fields: object) -> None:
    """Give the lease back: look again at `due_at`, or at the deadline if that comes first."""
    mine = Dial.objects.filter(id=job.order.dial_id, lease_token=job.token, ended_at=None)
    overdue = Greatest(F("deadline_at"), Value(timezone.now() + RECONCILE_AGAIN))
    mine.update(due_at=Least(Value(due_at), overdue), lease_token=None, **fields)
    # Asked for while we were at it: whoever cancels leaves a dial under lease to us.
    if not job.is_canceled and _is_cancel_requested(job):
        idle = Dial.objects.filter(id=job.order.dial_id, lease_token=None, ended_at=None)
        idle.update(due_at=timezone.now())


def _is_cancel_requested(job: Job) -> bool:
    return Call.objects.filter(id=job.order.call_id, cancel_requested_at__isnull=False).exists()


def _note(job: Job, *, type: str, now: datetime, **detail: str) -> None:
    dial = Dial.objects.select_related("call").get(id=job.order.dial_id)
    lifecycle.note(dial.call, type=type, at=now, dial=dial, detail=detail)
