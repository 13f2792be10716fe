"""Traces: what became of a call, step by step, told to a collector over OTLP.

They are read from the rows, as metrics are, so no process has to hand anything to the next: the id
of a call is the id of its trace, and a span's follows from what it is about, so whoever sends one
names the same trace and the same parent. A call's steps are sent once it has ended, an attempt to
deliver once it was made; what a collector does not take is not sent again.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Model, OuterRef

from calls.models import ANSWERED, TERMINAL, Call, CallEvent, Dial, DialStatus
from core.ids import native_id, parse_id
from operations import otlp
from operations.models import Watermark
from operations.otlp import Step
from operations.settled import settled_id
from webhooks.models import Attempt

# Rows that are looked at at once.
BATCH = 2_000


def export() -> None:
    """Send the steps of what has ended since the last time."""
    for name, model, steps_of in (
        ("trace_calls", CallEvent, _of_calls),
        ("trace_attempts", Attempt, _of_attempts),
    ):
        while settled := _take_batch(name, model):
            after, to = settled
            otlp.send(list(steps_of(after=after, to=to)))


def _take_batch(name: str, model: type[Model]) -> tuple[int, int] | None:
    """The next rows, after one id up to another, which nobody else will take."""
    to = settled_id(model)
    if to is None:
        return None
    with transaction.atomic():
        # Who has just begun to trace has no interest in all that was before.
        _, is_new = Watermark.objects.get_or_create(name=name, defaults={"counted_to": to})
        mark = Watermark.objects.select_for_update().get(name=name)
        after = mark.counted_to
        if is_new or after >= to:
            return None
        mark.counted_to = min(to, after + BATCH)
        mark.save(update_fields=["counted_to"])
    return after, mark.counted_to


# What is told -------------------------------------------------------------------------------------


def _of_calls(*, after: int, to: int) -> Iterator[Step]:
    ends = CallEvent.objects.filter(id__gt=after, id__lte=to, type__in=TERMINAL)
    # A call that was tried again has several lines of an end: the last one is its own.
    later = CallEvent.objects.filter(
        call=OuterRef("call"), type__in=TERMINAL, id__gt=OuterRef("id")
    )
    own = ends.filter(~Exists(later)).order_by().values("call")
    ended = Call.objects.filter(id__in=own, ended_at__isnull=False)
    calls = {call.id: call for call in ended.order_by("ended_at")}
    lines: dict[UUID, list[CallEvent]] = defaultdict(list)
    for line in CallEvent.objects.filter(call__in=calls).select_related("dial").order_by("id"):
        lines[line.call_id].append(line)
    for call in calls.values():
        yield _of_call(call)
        for dial_id in {line.dial_id for line in lines[call.id] if line.dial_id}:
            yield from _of_dial(call, [one for one in lines[call.id] if one.dial_id == dial_id])


def _of_call(call: Call) -> Step:
    return Step(
        "call",
        of=call.id,
        about=call.id,
        began=call.created_at,
        ended=call.ended_at or call.created_at,
        attributes={
            "outdial.call": call.native_id,
            "outdial.agent": native_id("agent", call.agent_id),
            "outdial.mode": call.mode,
            "outdial.request_id": call.request_id,
            **_outcome(call),
        },
        has_failed=call.status not in ANSWERED,
    )


def _of_dial(call: Call, lines: Sequence[CallEvent]) -> Iterator[Step]:
    """How long the call waited for its turn, the dial, and in it the ringing and the talk."""
    dial, asked_at = lines[0].dial, lines[0].at
    if not dial or not dial.ended_at:
        return
    step = partial(Step, of=call.id, about=dial.id)
    due_at = asked_at - timedelta(seconds=lines[0].detail.get("waited", 0))
    yield step("wait", parent=("call", call.id), began=due_at, ended=asked_at)
    yield step(
        "dial",
        parent=("call", call.id),
        began=asked_at,
        ended=dial.ended_at,
        attributes={"outdial.carrier": call.carrier, "outdial.dial": dial.number, **_outcome(dial)},
        is_outward=True,
        has_failed=dial.status not in ANSWERED,
    )
    inside = partial(step, parent=("dial", dial.id))
    rang_at = next((line.at for line in lines if line.type == DialStatus.RINGING), None)
    if rang_at:
        yield inside("ring", began=rang_at, ended=dial.started_at or dial.ended_at)
    if dial.started_at:
        yield inside("talk", began=dial.started_at, ended=dial.ended_at)


def _of_attempts(*, after: int, to: int) -> Iterator[Step]:
    made = Attempt.objects.filter(id__gt=after, id__lte=to).order_by("id")
    for attempt in made.select_related("delivery__event"):
        event = attempt.delivery.event
        if call_id := parse_id("call", event.subject):
            yield Step(
                "deliver",
                of=call_id,
                about=attempt.pk,
                parent=("call", call_id),
                began=attempt.started_at,
                ended=attempt.started_at + timedelta(seconds=attempt.duration),
                attributes={
                    "outdial.event": event.type,
                    "outdial.delivery": native_id("dlv", attempt.delivery_id),
                    "outdial.attempt": attempt.number,
                    "outdial.failure": attempt.failure,
                    "http.response.status_code": attempt.response_status or 0,
                },
                is_outward=True,
                has_failed=bool(attempt.failure),
            )


def _outcome(row: Call | Dial) -> dict[str, str]:
    return {"outdial.outcome": row.status, "outdial.reason": row.reason}
