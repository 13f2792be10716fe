"""The only place where a call's status changes: forward, once, with its events and its bill.
`calls.booking` makes it and `calls.begun` has it dialled, with the same care.

Whatever order a carrier's reports come in, and however often, a dial moves along
asking < dialing < ringing < in_progress < one of the ends. Each step writes the timeline, settles
credits and publishes events in one transaction under a lock on the call.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from agents.credits import settle
from agents.models import Mode
from agents.retries import RetryRule
from calls import moving
from calls.carriers.base import Heard
from calls.errors import CallAlreadyEnded
from calls.models import (
    ANSWERED,
    ERASED,
    TERMINAL,
    WAITING,
    Call,
    CallEvent,
    Dial,
    DialStatus,
    Status,
)
from calls.reports import Report, Results
from calls.serializers import call_data, disposition
from core.times import rfc3339
from webhooks.events import CALL_COMPLETED, CALL_FAILED, CALL_STARTED
from webhooks.services import publish

log = structlog.get_logger(__name__)

# How long a carrier may say nothing beyond the moment at which it should have said something.
SILENCE_GRACE = timedelta(seconds=15)
# How many calls one transaction promotes or ends.
BATCH = 100
# How a dial ends by our word: after the carrier hung it up, or though it may think otherwise.
HUNG_UP_BY_US = ("on_request", "hung_up", "max_duration", "ring_timeout", "carrier_silent")
ENDED_BY_US = (*HUNG_UP_BY_US, "carrier_unknown", "carrier_unreachable")
ORDER = {
    DialStatus.ASKING: 0,
    DialStatus.DIALING: 1,
    DialStatus.RINGING: 2,
    DialStatus.IN_PROGRESS: 3,
    **{DialStatus(status): 4 for status in TERMINAL},
}
# The timeline already has `dialing` from the moment we asked.
LINES = {DialStatus.DIALING: "accepted_by_carrier"}


def price_of(seconds: float, *, per_minute: Decimal) -> Decimal:
    """Credits for so many seconds of an answered call, by started minutes."""
    return per_minute * max(ceil(seconds / 60), 1)


def ring_deadline(call: Call, *, since: datetime) -> datetime:
    """The moment from which a call that is not answered is overdue."""
    return since + timedelta(seconds=call.ring_timeout) + SILENCE_GRACE


def apply(*, dial_id: UUID, report: Report) -> bool:
    """Take one report of a carrier; False when it says nothing new.

    Idempotent and order-proof: an answer that was never reported is inferred from an end that
    implies it, and nothing moves a dial backwards or out of its end.
    """
    with transaction.atomic():
        dial = moving.lock(dial_id)
        report = _in_time(report, dial=dial)
        is_verdict = _is_verdict(dial, report)
        if is_verdict:
            dial.answered_by = report.answered_by
        steps = _steps(dial, report)
        for step in steps:
            _take(dial, step)
        if is_verdict and not steps:
            Dial.objects.filter(id=dial.id).update(answered_by=dial.answered_by)
        if not steps and report.status not in TERMINAL and is_stray(dial, told=report.status):
            mark_stray(dial, now=timezone.now())
    return bool(steps)


def end_by_us(*, dial_id: UUID, report: Report, known: str) -> bool:
    """End a dial by our word, which was judged by the status `known`; False where it has ended
    already, or a report has moved it on and what we thought may be wrong."""
    with transaction.atomic():
        dial = moving.lock(dial_id)
        is_as_known = dial.status == known and dial.ended_at is None
        if is_as_known:
            _take(dial, report)
    return is_as_known


def mark_stray(dial: Dial, *, now: datetime) -> None:
    """The carrier holds a dial that has ended for us: a worker hangs it up.

    A call that waits for its next try is not dialled again: somebody may have answered this one.
    """
    with transaction.atomic():
        locked = Call.objects.select_for_update(of=("self",)).select_related("agent")
        call = locked.get(id=dial.call_id)
        if not Dial.objects.filter(id=dial.id, stray_since=None).update(
            stray_since=now, due_at=now
        ):
            return
        note(call, type="stray", at=now, dial=dial)
        if call.status in WAITING:
            _end_here(call, status=Status.FAILED, reason="stray_dial", at=now)


def is_stray(dial: Dial, *, told: DialStatus) -> bool:
    """Whether the carrier holds, as `told`, a dial that ended by our word, not by its own."""
    if dial.ended_at is None:
        return False
    if dial.reason in HUNG_UP_BY_US:
        # What was known when it was hung up, and comes again, is late and no news.
        return ORDER[told] > _known_before_end(dial)
    return dial.reason in ENDED_BY_US or _was_refused(dial)


def _known_before_end(dial: Dial) -> int:
    lines = set(CallEvent.objects.filter(dial=dial).values_list("type", flat=True))
    steps = (DialStatus.DIALING, DialStatus.RINGING, DialStatus.IN_PROGRESS)
    return max((ORDER[step] for step in steps if LINES.get(step, step) in lines), default=0)


def _was_refused(dial: Dial) -> bool:
    """Whether it ended because it was not taken, however often it was asked for."""
    proofs = Counter(CallEvent.objects.filter(dial=dial).values_list("type", flat=True))
    refused = proofs["refused_by_carrier"]
    return refused > 0 and refused + proofs["carrier_not_reached"] >= dial.asks


def _in_time(report: Report, *, dial: Dial) -> Report:
    """A carrier's clock may be wrong, and bills and deadlines go by it: nothing of a dial happened
    before it was asked for, and nothing will have happened."""
    earliest, latest = dial.asked_at or report.at, timezone.now()

    def clamped(at: datetime) -> datetime:
        return max(min(at, latest), earliest)

    answered_at = report.answered_at and clamped(report.answered_at)
    return replace(report, at=clamped(report.at), answered_at=answered_at)


def cancel(call_id: UUID, *, now: datetime) -> None:
    """End a call that waits; have one that a carrier holds hung up by a worker.

    Raises CallAlreadyEnded. Asking twice changes nothing more.
    """
    with transaction.atomic():
        call = Call.objects.select_for_update(of=("self",)).select_related("agent").get(id=call_id)
        if call.is_terminal:
            raise CallAlreadyEnded
        # Locked, so that nobody leases it for another ask while it is judged.
        dial = call.dials.select_for_update().filter(ended_at=None).first()
        if call.cancel_requested_at is None:
            call.cancel_requested_at = now
            call.save(update_fields=["cancel_requested_at"])
            note(call, type="cancel_requested", at=now)
        if dial is None:
            end_waiting(call, reason="on_request", now=now)
        elif dial.asked_at is None:
            # There is proof that no carrier holds anything of it.
            dial.call = call
            _take(dial, Report(status=DialStatus.CANCELED, at=now, reason="on_request"))
        else:
            # Where a worker is at it, the worker sees the wish when it gives the lease back.
            idle = Case(When(lease_token=None, then=Value(now)), default=F("due_at"))
            Dial.objects.filter(id=dial.id).update(due_at=idle)


def cancel_unasked(dial_id: UUID, *, reason: str, now: datetime) -> None:
    """Cancel the call of a dial that no carrier holds anything of, and that was to be asked for."""
    with transaction.atomic():
        dial = moving.lock(dial_id)
        if dial.asked_at is None and dial.ended_at is None:
            _take(dial, Report(status=DialStatus.CANCELED, at=now, reason=reason))


def promote_due(*, now: datetime) -> None:
    """Scheduled calls whose time has come take their place in the queue."""
    due = Call.objects.filter(status=Status.SCHEDULED, due_at__lte=now).order_by("due_at")
    with transaction.atomic():
        ids = list(due.select_for_update(skip_locked=True).values_list("id", flat=True)[:BATCH])
        Call.objects.filter(id__in=ids).update(status=Status.QUEUED)
        CallEvent.objects.bulk_create(
            CallEvent(call_id=id, type=Status.QUEUED, at=now) for id in ids
        )


def expire_due(*, now: datetime) -> None:
    """Calls that waited longer than they may are canceled, and their events go out."""
    for late in Call.objects.late(now=now):
        end_each(late.values_list("id", flat=True)[:BATCH], reason="expired", now=now)


def end_each(call_ids: Iterable[UUID], *, reason: str, now: datetime) -> None:
    """Cancel these calls where they wait still.

    One by one: who holds several accounts' rows at once could meet another who does.
    """
    for call_id in list(call_ids):
        with transaction.atomic():
            waiting = Call.objects.filter(id=call_id, status__in=WAITING)
            locked = waiting.select_for_update(skip_locked=True, of=("self",))
            if call := locked.select_related("agent").first():
                end_waiting(call, reason=reason, now=now)


def postpone(call: Call, *, until: datetime, reason: str, now: datetime) -> None:
    """A waiting call, locked, is not to be dialled before `until`."""
    Call.objects.filter(id=call.id).update(status=Status.SCHEDULED, due_at=until)
    note(call, type="postponed", at=now, detail={"reason": reason, "until": rfc3339(until)})


def end_waiting(call: Call, *, reason: str, now: datetime) -> None:
    """Cancel a waiting call, locked: no carrier holds anything of it, so it ends here and now."""
    _end_here(call, status=Status.CANCELED, reason=reason, at=now)


def _end_here(call: Call, *, status: str, reason: str, at: datetime) -> None:
    """The end of a call without a report."""
    _end(call, status=status, reason=reason, at=at)
    _move(call, None, [_line(call, type=status, at=at, detail={"reason": reason})])
    log.info("call_moved", call=call.native_id, status=status, reason=reason)


def hear(dial: Dial, *, heard: Heard) -> None:
    """Take what a callback said: reports, what came of the conversation, the carrier's own id."""
    if heard.carrier_id and not dial.carrier_id:
        # It proves that the carrier took the order, if the answer to that was lost.
        Dial.objects.filter(id=dial.id, carrier_id="").update(carrier_id=heard.carrier_id)
    if heard.results:
        keep_results(dial_id=dial.id, results=heard.results)
    for report in heard.reports:
        apply(dial_id=dial.id, report=report)


def keep_results(*, dial_id: UUID, results: Results) -> None:
    """Keep what a voice engine made of the conversation, before or after its end.

    Not where the person has had all of it erased.
    """
    told = {name: text for name, text in vars(results).items() if text}
    if told:
        Call.objects.filter(dials=dial_id).exclude(to_number=ERASED).update(**told)


def note(
    call: Call,
    *,
    type: str,
    at: datetime,
    dial: Dial | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """A line in the call's timeline."""
    _line(call, type=type, at=at, dial=dial, detail=detail).save(force_insert=True)


def _line(
    call: Call,
    *,
    type: str,
    at: datetime,
    dial: Dial | None = None,
    detail: Mapping[str, object] | None = None,
) -> CallEvent:
    return CallEvent(call=call, dial=dial, type=type, at=at, detail=dict(detail or {}))


def _is_verdict(dial: Dial, report: Report) -> bool:
    """Whether it says anew who answered, which is to be remembered: a carrier may find out before
    the end, and does not say it again with that."""
    is_news = report.answered_by not in ("", dial.answered_by)
    return is_news and not dial.ended_at


def _steps(dial: Dial, report: Report) -> list[Report]:
    here = ORDER[DialStatus(dial.status)]
    if report.status == DialStatus.COMPLETED and dial.answered_by == "machine":
        report = replace(report, status=DialStatus.VOICEMAIL)
    if ORDER[report.status] <= here:
        return []
    answered = report.status in ANSWERED or (report.status in TERMINAL and report.answered_at)
    if answered and here < ORDER[DialStatus.IN_PROGRESS]:
        at = report.answered_at or report.at
        return [replace(report, status=DialStatus.IN_PROGRESS, at=at, reason=""), report]
    return [report]


def _take(dial: Dial, report: Report) -> None:
    """One step of a dial and its call, both locked."""
    call = dial.call
    dial.status = call.status = report.status
    detail = {"reason": report.reason} if report.reason else {}
    type = LINES.get(report.status, report.status.value)
    lines = [_line(call, type=type, at=report.at, dial=dial, detail=detail)]
    if report.status == DialStatus.IN_PROGRESS:
        _answer(call, dial, report)
    elif report.status == DialStatus.RINGING:
        dial.deadline_at = ring_deadline(call, since=report.at)
    elif report.status in TERMINAL:
        lines += _end_dial(call, dial, report)
    # Whoever reports has it, whatever was thought of the answer to our asking.
    dial.asked_at = dial.asked_at or report.at
    _move(call, dial, lines)
    log.info("call_moved", call=call.native_id, status=report.status, reason=report.reason)


def _move(call: Call, dial: Dial | None, lines: Sequence[CallEvent]) -> None:
    """Write it all down, and tell it."""
    reserved = call.reserved
    if call.is_terminal:
        call.reserved = Decimal(0)
    _publish(call)
    moving.keep(call, dial, lines)
    if reserved and call.is_terminal:
        # Last: whoever takes calls for this account waits for its row.
        settle(call.account_id, reserved=reserved, cost=call.cost or Decimal(0), subject=call)


def _answer(call: Call, dial: Dial, report: Report) -> None:
    call.started_at = dial.started_at = report.at
    # To the second: the credits set aside last no longer.
    dial.deadline_at = report.at + timedelta(seconds=call.max_duration)


def _end_dial(call: Call, dial: Dial, report: Report) -> list[CallEvent]:
    """The end of the call too, unless it is tried again; further lines of its timeline."""
    # A carrier's clock may put the end before the answer.
    dial.ended_at = max(report.at, call.started_at or report.at)
    dial.reason = report.reason
    again_at = _retry_at(call, dial, report)
    if again_at is None:
        _end(call, status=report.status, reason=report.reason, at=dial.ended_at)
        return []
    call.status, call.due_at = Status.QUEUED, again_at
    return [_line(call, type="retry", at=report.at, detail={"until": rfc3339(again_at)})]


def _retry_at(call: Call, dial: Dial, report: Report) -> datetime | None:
    """When the call is dialled again, by its rule; None when this was its end."""
    rule = RetryRule.of(call.retry)
    if not rule or call.started_at or call.cancel_requested_at:
        return None
    gap = rule.gap_after(
        report.status,
        reason=report.reason,
        was_not_taken=report.was_not_taken,
        dials=dial.number,
    )
    if gap is None:
        return None
    again_at = max(report.at + gap, timezone.now())
    return None if call.expires_at and again_at >= call.expires_at else again_at


def _end(call: Call, *, status: str, reason: str, at: datetime) -> None:
    """The call's one end, with its cost."""
    call.status, call.reason, call.ended_at, call.due_at = status, reason, at, None
    call.cost = _cost(call, at)


def _cost(call: Call, ended_at: datetime) -> Decimal:
    if call.mode == Mode.TEST or not call.started_at:
        return Decimal(0)
    talked = (ended_at - call.started_at).total_seconds()
    return min(price_of(talked, per_minute=call.price_per_minute), call.reserved)


def _publish(call: Call) -> None:
    type = _event_of(call.status)
    if not type:
        return
    call.events_published += 1
    publish(
        type,
        agent=call.agent,
        data={**call_data(call), "sequence": call.events_published},
        disposition=disposition(call) if call.is_terminal else None,
    )


def _event_of(status: str) -> str | None:
    if status == DialStatus.IN_PROGRESS:
        return CALL_STARTED
    if status in ANSWERED:
        return CALL_COMPLETED
    return CALL_FAILED if status in TERMINAL else None
