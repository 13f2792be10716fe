"""What a carrier's reply changes: where its dial stands, and when a worker looks at it next."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Value
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from calls import lifecycle
from calls.carriers.base import Accepted, CarrierError
from calls.models import Call, Dial, DialQuerySet, DialStatus
from calls.questions import Job, Outcome, Reply
from calls.reports import Report, Snapshot
from core.backoff import jittered

MOST_ASKS = 5
ASK_AGAIN = timedelta(seconds=1)
RECONCILE_AGAIN = timedelta(seconds=2)
# A carrier that cannot be asked about a dial that is overdue: how often, and for how long, we try.
UNREACHABLE_AGAIN = timedelta(seconds=15)
UNREACHABLE_FOR = timedelta(minutes=5)
# Reasons for which the carrier never heard of the order.
NOT_REACHED = ("carrier_down", "lease_ran_out")


def record(reply: Reply) -> None:
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
        Dial.objects.filter(id=dial.id).update(carrier_id=accepted.carrier_id)
        if lifecycle.is_stray(dial, told=DialStatus.DIALING):
            # While the carrier thought about it; else its report of the end was faster.
            lifecycle.mark_stray(dial, now=now)
        return
    _hold(job, due_at=accepted.look_at, carrier_id=accepted.carrier_id)
    lifecycle.apply(dial_id=dial.id, report=Report(status=DialStatus.DIALING, at=now))


def _record_refusal(job: Job, error: CarrierError, *, now: datetime) -> None:
    was_reached = error.reason not in NOT_REACHED
    line = "refused_by_carrier" if was_reached else "carrier_not_reached"
    _note(job, type=line, now=now, reason=error.reason)
    if error.permanent or job.order.ask >= MOST_ASKS or _is_cancel_requested(job):
        _end_refused(job, error, now=now)
    else:
        wait = jittered(ASK_AGAIN * 2 ** (job.order.ask - 1))
        # Only while no report contradicts the refusal: then the carrier has it after all.
        still = _mine(job).filter(status=DialStatus.ASKING)
        if not still.update(due_at=now + wait, asked_at=None, lease_token=None):
            _hold(job, due_at=now + RECONCILE_AGAIN)


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
    for report in _in_order(snapshot.reports):
        lifecycle.apply(dial_id=job.order.dial_id, report=report)
    if job.is_canceled:
        _end_canceled(job, now=now)
    elif job.is_overdue and not job.is_news(snapshot):
        _end_overdue(job, now=now)
    _hold(job, due_at=snapshot.look_at)


def _in_order(reports: Iterable[Report]) -> list[Report]:
    """As it happened, so that an answer told of after the end still counts; each thing once,
    however often a carrier says it."""
    ordered = sorted(reports, key=lambda one: (one.at, lifecycle.ORDER[one.status]))
    firsts: dict[tuple[str, str], Report] = {}
    for report in ordered:
        firsts.setdefault((report.status, report.answered_by), report)
    return list(firsts.values())


def _end_canceled(job: Job, *, now: datetime) -> None:
    """It was hung up: before its answer it was canceled, after it a call as any other."""
    known = Dial.objects.values_list("status", flat=True).get(id=job.order.dial_id)
    if known == DialStatus.IN_PROGRESS:
        _end(job, status=DialStatus.COMPLETED, reason="hung_up", known=known, now=now)
    else:
        _end(job, status=DialStatus.CANCELED, reason="on_request", known=known, now=now)


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
        _hold(job, due_at=now + UNREACHABLE_AGAIN, overdue_again=UNREACHABLE_AGAIN)


def _end_overdue(job: Job, *, now: datetime) -> None:
    """The carrier forgot to end it, so we hung up; what it last said tells how it ended."""
    endings = {
        DialStatus.IN_PROGRESS: (DialStatus.COMPLETED, "max_duration"),
        DialStatus.RINGING: (DialStatus.NO_ANSWER, "ring_timeout"),
    }
    status, reason = endings.get(job.status, (DialStatus.FAILED, "carrier_silent"))
    _end(job, status=status, reason=reason, now=now)


def _end_refused(job: Job, error: CarrierError, *, now: datetime) -> None:
    failed = Report(
        status=DialStatus.FAILED, at=now, reason=error.reason, was_not_taken=not error.permanent
    )
    canceled = Report(status=DialStatus.CANCELED, at=now, reason="on_request")
    report = canceled if _is_cancel_requested(job) else failed
    asking = DialStatus.ASKING
    if not lifecycle.end_by_us(dial_id=job.order.dial_id, report=report, known=asking):
        _hold(job, due_at=now + RECONCILE_AGAIN)


def _end(
    job: Job, *, status: DialStatus, reason: str, now: datetime, known: str | None = None
) -> None:
    """End the dial, unless a report came in while the carrier was asked: then it is looked at
    anew, for who answered meanwhile is neither uncanceled nor unknown."""
    report = Report(status=status, at=now, reason=reason)
    known = known or job.status
    if not lifecycle.end_by_us(dial_id=job.order.dial_id, report=report, known=known):
        _hold(job, due_at=now)


def _hold(
    job: Job,
    *,
    due_at: datetime,
    overdue_again: timedelta = RECONCILE_AGAIN,
    **fields: object,
) -> None:
    """Give the lease back: look again at `due_at`, or at the deadline if that comes first; when it
    has passed, in `overdue_again` at the latest."""
    overdue = Greatest(F("deadline_at"), Value(timezone.now() + overdue_again))
    _mine(job).update(due_at=Least(Value(due_at), overdue), lease_token=None, **fields)
    # Asked for while we were at it: whoever cancels leaves a dial under lease to us.
    if not job.is_canceled and _is_cancel_requested(job):
        idle = Dial.objects.filter(id=job.order.dial_id, lease_token=None, ended_at=None)
        idle.update(due_at=timezone.now())


def _mine(job: Job) -> DialQuerySet:
    """The dial, unless it has ended, or the lease ran out and another worker has it."""
    return Dial.objects.filter(id=job.order.dial_id, lease_token=job.token, ended_at=None)


def _is_cancel_requested(job: Job) -> bool:
    return Call.objects.filter(id=job.order.call_id, cancel_requested_at__isnull=False).exists()


def _note(job: Job, *, type: str, now: datetime, **detail: str) -> None:
    dial = Dial.objects.select_related("call").get(id=job.order.dial_id)
    lifecycle.note(dial.call, type=type, at=now, dial=dial, detail=detail)
