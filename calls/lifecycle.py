"""The only place where a call's status changes: forward, once, with its events and its bill.

Whatever order a carrier's reports come in, and however often, a dial moves along
asking < dialing < ringing < in_progress < one of the ends. Each step writes the timeline, settles
credits and publishes events in one transaction under a lock on the call.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from agents.credits import settle
from agents.models import Mode
from calls.carriers.base import Heard
from calls.models import ANSWERED, TERMINAL, Call, CallEvent, Dial, DialStatus, Status
from calls.reports import Report, Results
from calls.serializers import call_data, disposition
from core.ids import new_id
from webhooks.events import CALL_COMPLETED, CALL_FAILED, CALL_STARTED
from webhooks.services import publish

log = structlog.get_logger(__name__)

# How long a carrier may say nothing beyond the moment at which it should have said something.
SILENCE_GRACE = timedelta(seconds=15)
# The columns of a call that a report may move.
MOVED = ["status", "reason", "cost", "reserved", "started_at", "ended_at", "events_published"]
ORDER = {
    DialStatus.ASKING: 0,
    DialStatus.DIALING: 1,
    DialStatus.RINGING: 2,
    DialStatus.IN_PROGRESS: 3,
    **{DialStatus(status): 4 for status in TERMINAL},
}


def price_of(seconds: float) -> Decimal:
    """Credits for so many seconds of an answered call, by started minutes."""
    minutes = max(ceil(seconds / 60), 1)
    return Decimal(settings.CREDITS_PER_MINUTE) * minutes


def begin(call: Call, *, now: datetime) -> None:
    """Write down an accepted call: it waits for a worker."""
    call.save(force_insert=True)
    note(call, type=call.status, at=now)


def begin_dial(call_id: UUID, *, lease: timedelta, now: datetime) -> Dial | None:
    """Make the waiting call's next dial, ready to be asked for by whoever holds the lease.

    None when another worker was faster or the call has ended. Once it is committed, the carrier
    may have been asked.
    """
    with transaction.atomic():
        mine = Call.objects.filter(id=call_id, status=Status.QUEUED).update(
            status=Status.DIALING, due_at=None
        )
        if not mine:
            return None
        call = Call.objects.select_related("agent").get(id=call_id)
        dial = Dial.objects.create(
            call=call,
            number=call.dials.count() + 1,
            asks=1,
            asked_at=now,
            due_at=now + lease,
            deadline_at=ring_deadline(call, since=now),
            lease_token=new_id(),
        )
        note(call, type=Status.DIALING, at=now, dial=dial, detail={"carrier": call.carrier})
    return dial


def ring_deadline(call: Call, *, since: datetime) -> datetime:
    """The moment from which a call that is not answered is overdue."""
    return since + timedelta(seconds=call.ring_timeout) + SILENCE_GRACE


def apply(*, dial_id: UUID, report: Report) -> bool:
    """Take one report of a carrier; False when it says nothing new.

    Idempotent and order-proof: an answer that was never reported is inferred from an end that
    implies it, and nothing moves a dial backwards or out of its end.
    """
    with transaction.atomic():
        call = Call.objects.select_for_update(of=("self",)).get(dials=dial_id)
        dial = Dial.objects.get(id=dial_id)
        _keep_verdict(dial, report)
        steps = _steps(dial, report)
        for step in steps:
            _take(call, dial, step)
    return bool(steps)


def hear(*, dial_id: UUID, heard: Heard) -> None:
    """Take what a callback said: reports, what came of the conversation, the carrier's own id."""
    if heard.carrier_id:
        # It proves that the carrier took the order, if the answer to that was lost.
        Dial.objects.filter(id=dial_id, carrier_id="").update(carrier_id=heard.carrier_id)
    if heard.results:
        keep_results(dial_id=dial_id, results=heard.results)
    for report in heard.reports:
        apply(dial_id=dial_id, report=report)


def keep_results(*, dial_id: UUID, results: Results) -> None:
    """Keep what a voice engine made of the conversation, before or after its end."""
    told = {name: text for name, text in vars(results).items() if text}
    if told:
        Call.objects.filter(dials=dial_id).update(**told)


def note(
    call: Call,
    *,
    type: str,
    at: datetime,
    dial: Dial | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """A line in the call's timeline."""
    CallEvent.objects.create(call=call, dial=dial, type=type, at=at, detail=dict(detail or {}))


def _keep_verdict(dial: Dial, report: Report) -> None:
    """Remember who answered: a carrier may find out before the end, which does not say it again."""
    if report.answered_by and not dial.ended_at:
        dial.answered_by = report.answered_by
        dial.save(update_fields=["answered_by"])


def _steps(dial: Dial, report: Report) -> list[Report]:
    here = ORDER[DialStatus(dial.status)]
    if report.status == DialStatus.COMPLETED and dial.answered_by == "machine":
        report = replace(report, status=DialStatus.VOICEMAIL)
    if ORDER[report.status] <= here:
        return []
    answered = report.status in ANSWERED
    if answered and here < ORDER[DialStatus.IN_PROGRESS]:
        at = report.answered_at or report.at
        return [replace(report, status=DialStatus.IN_PROGRESS, at=at, reason=""), report]
    return [report]


def _take(call: Call, dial: Dial, report: Report) -> None:
    dial.status = report.status
    call.status = report.status
    if report.status == DialStatus.IN_PROGRESS:
        _answer(call, dial, report)
    elif report.status == DialStatus.RINGING:
        dial.deadline_at = ring_deadline(call, since=report.at)
    elif report.status in TERMINAL:
        _end(call, dial, report)
    _publish(call, dial)
    call.save(update_fields=MOVED)
    dial.save(update_fields=["status", "reason", "deadline_at", "started_at", "ended_at"])
    note(call, type=_line(report), at=report.at, dial=dial, detail=_detail(report))
    log.info("call_moved", call=call.native_id, status=report.status, reason=report.reason)


def _answer(call: Call, dial: Dial, report: Report) -> None:
    call.started_at = dial.started_at = report.at
    dial.deadline_at = report.at + timedelta(seconds=call.max_duration) + SILENCE_GRACE


def _end(call: Call, dial: Dial, report: Report) -> None:
    # A carrier's clock may put the end before the answer.
    ended_at = max(report.at, call.started_at or report.at)
    call.ended_at = dial.ended_at = ended_at
    call.reason = dial.reason = report.reason
    call.cost = _cost(call, ended_at)
    if call.reserved:
        settle(call.account_id, reserved=call.reserved, cost=call.cost, subject_id=call.id)
        call.reserved = Decimal(0)


def _cost(call: Call, ended_at: datetime) -> Decimal:
    if call.mode == Mode.TEST or not call.started_at:
        return Decimal(0)
    return min(price_of((ended_at - call.started_at).total_seconds()), call.reserved)


def _line(report: Report) -> str:
    # The timeline already has `dialing` from the moment we asked.
    return "accepted_by_carrier" if report.status == DialStatus.DIALING else report.status.value


def _detail(report: Report) -> dict[str, object]:
    return {"reason": report.reason} if report.reason else {}


def _publish(call: Call, dial: Dial) -> None:
    type = _event_of(dial.status)
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
