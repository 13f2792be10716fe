"""What a call's page shows: what was asked for, and all that came of it, in its order."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.text import capfirst

from agents.admin import MODE_LABELS, credits_text
from agents.models import Mode
from calls.explanations import REMARKS, in_words, sentence, what_happened
from calls.models import Call, CallEvent, Dial, Status
from calls.queue import place_of
from core.admin import NONE, at, seconds, table_of
from core.following import LOOK_EVERY, LOOK_SELDOM, milliseconds
from webhooks.admin import shown_delivery, with_attempts
from webhooks.models import Delivery, Event, Subscription

STATUS_LABELS = {
    "scheduled": "default",
    "queued": "default",
    "dialing": "info",
    "ringing": "info",
    "in_progress": "primary",
    "completed": "success",
    "voicemail": "info",
    "busy": "warning",
    "no_answer": "warning",
    "failed": "danger",
    "canceled": "default",
}
UNWELL = ("refused_by_carrier", "carrier_not_reached", "carrier_answer_lost", "stray")
LINE_LABELS = {**STATUS_LABELS, **dict.fromkeys(UNWELL, "warning")}
# How long after its end a call's page still follows its webhooks.
FOLLOWED_AFTER = timedelta(minutes=1)
SPOKEN = re.compile(r"^([^\W\d][\w .'-]{0,30}): +(\S.*)$")

Line = dict[str, Any]


def shown_call(call: Call) -> dict[str, Any]:
    """A call as templates/admin/calls/call/story.html shows it."""
    now = timezone.now()
    timeline = list(call.timeline.select_related("dial"))
    dials = list(call.dials.all())
    events = list(Event.objects.filter(subject=call.native_id).defer("body", "zapier_body"))
    rows = list(deliveries_of(call).order_by("created_at", "id"))
    deliveries = [shown_delivery(row) for row in rows]
    has_rung = any(line.type in (Status.RINGING, Status.IN_PROGRESS) for line in timeline)
    return {
        "call": call,
        "label": STATUS_LABELS[call.status],
        "mode_label": MODE_LABELS[call.mode],
        "story": _story(call, has_rung=has_rung, now=now),
        "summary": _summary(call),
        "timeline": _in_order([*_calls(call, timeline), *_published(events, rows), *_sent(rows)]),
        "dials": [_dial(dial) for dial in dials],
        "deliveries": deliveries,
        "untold": _untold(deliveries),
        "may_send_again": any(may_be_sent_again(row) for row in rows),
        "every": _every(call, rows, now=now),
        "asked": _asked(call),
        "limits": _limits(call),
        "ids": _ids(call),
        "params": table_of(call.params),
        "metadata": table_of(call.metadata),
        "dialogue": _dialogue(call.transcript),
    }


def deliveries_of(call: Call) -> Any:
    """The call's deliveries, with all that their part of the page shows."""
    return with_attempts(Delivery.objects.filter(event__subject=call.native_id))


def may_be_sent_again(delivery: Delivery) -> bool:
    """It did not arrive, and its webhook is there to be told."""
    subscription = delivery.subscription
    is_open = subscription.status == Subscription.Status.ENABLED and not subscription.deleted_at
    return is_open and delivery.status != Delivery.Status.DELIVERED and bool(delivery.attempts)


# What happened ------------------------------------------------------------------------------------


def _story(call: Call, *, has_rung: bool, now: datetime) -> str:
    told = what_happened(call, has_rung=has_rung, now=now)
    if call.status != Status.QUEUED:
        return told
    position, wait = place_of(call, now=now)
    return f"{told} Number {position} in its account's queue: about {seconds(wait)} to wait."


def _summary(call: Call) -> list[tuple[str, str]]:
    waited = call.started_at and seconds((call.started_at - call.created_at).total_seconds())
    return [
        ("Placed (UTC)", at(call.created_at)),
        ("Answered", f"after {waited}" if waited else NONE),
        ("Talked", seconds(call.duration)),
        ("Ended (UTC)", at(call.ended_at)),
        ("Cost in credits", NONE if call.cost is None else credits_text(call.cost)),
    ]


def _untold(deliveries: Sequence[dict[str, Any]]) -> str:
    """Who was not told, and why, where it went wrong; empty where all is well."""
    wrong = [one for one in deliveries if one["status"] in ("retrying", "failed", "held")]
    if not wrong:
        return ""
    attempts = [attempt for one in wrong for attempt in one["attempts"]]
    why = attempts[-1]["meaning"] if attempts else wrong[-1]["meaning"]
    return f"{len(wrong)} of {len(deliveries)} webhook deliveries did not arrive. {why}"


def _every(call: Call, deliveries: Iterable[Delivery], *, now: datetime) -> int | None:
    """The milliseconds between two looks of a page that follows it; None: nothing more comes."""
    is_over = call.ended_at and now > call.ended_at + FOLLOWED_AFTER
    if is_over or (call.is_terminal and not any(_is_fresh(one) for one in deliveries)):
        return None
    waits = call.status == Status.SCHEDULED or (call.due_at and call.due_at > now)
    return milliseconds(LOOK_SELDOM if waits else LOOK_EVERY)


def _is_fresh(delivery: Delivery) -> bool:
    return delivery.status == Delivery.Status.PENDING and not delivery.attempts


# The timeline -------------------------------------------------------------------------------------


def _in_order(lines: Iterable[Line]) -> list[Line]:
    """By time, each with the time since the one before."""
    ordered = sorted(lines, key=lambda line: line["at"])
    before = ordered[0]["at"] if ordered else None
    for line in ordered:
        line["since"] = seconds((line["at"] - before).total_seconds())
        before = line["at"]
    return ordered


def _calls(call: Call, events: Sequence[CallEvent]) -> list[Line]:
    tries = max((event.dial.number for event in events if event.dial), default=0)
    lines = [_line(event, shows_try=tries > 1) for event in sorted(events, key=lambda one: one.id)]
    if lines and not lines[0]["remark"]:
        lines[0]["remark"] = f"Asked for {_by(call)}"
    return lines


def _line(event: CallEvent, *, shows_try: bool) -> Line:
    carrier = event.detail.get("carrier")
    words = f"{sentence(event.type)}: {carrier}" if carrier else sentence(event.type)
    return {
        "at": event.at,
        "sentence": f"{words} (dial {event.dial.number})" if shows_try and event.dial else words,
        "label": LINE_LABELS.get(event.type, "default"),
        "remark": REMARKS.get(event.type) or _because(event),
    }


def _because(event: CallEvent) -> str:
    reason: str = event.detail.get("reason", "").replace("_", " ")
    until = event.detail.get("until")
    words = [reason, until and f"until {at(datetime.fromisoformat(until))}"]
    return capfirst(", ".join(filter(None, words)))


def _by(call: Call) -> str:
    where = f" from {call.client_address}" if call.client_address else ""
    if call.operator:
        return f"in the admin by {call.operator}{where}"
    return f"with the key “{_key(call)}”{where}"


def _key(call: Call) -> str:
    return call.api_key.name if call.api_key else NONE


def _published(events: Iterable[Event], deliveries: Sequence[Delivery]) -> list[Line]:
    return [
        {
            "at": event.created_at,
            "sentence": f"Published {event.type}",
            "label": "told",
            "remark": _to(sum(one.event_id == event.id for one in deliveries)),
        }
        for event in events
    ]


def _to(webhooks: int) -> str:
    return f"For {webhooks} webhook{'' if webhooks == 1 else 's'}" if webhooks else ""


def _sent(deliveries: Iterable[Delivery]) -> list[Line]:
    """A line for each attempt to tell of it, at the time of its answer."""
    return [
        {
            "at": attempt.started_at + timedelta(seconds=attempt.duration),
            "sentence": f"{_told(attempt)} {delivery.event.type}",
            "label": "told-danger" if attempt.failure else "told-success",
            "remark": f"{_host(delivery.subscription.url)}, attempt {attempt.number}: "
            f"{attempt.response_status or attempt.failure.replace('_', ' ')} "
            f"after {seconds(attempt.duration)}",
        }
        for delivery in deliveries
        for attempt in delivery.log.all()
    ]


def _told(attempt: Any) -> str:
    return "Could not tell" if attempt.failure else "Told"


def _host(url: str) -> str:
    return urlsplit(url).netloc or url


# The facts ----------------------------------------------------------------------------------------


def _dial(dial: Dial) -> dict[str, Any]:
    heard = [("Answered", dial.started_at), ("Ended", dial.ended_at)]
    return {
        "row": dial,
        "label": STATUS_LABELS.get(dial.status, "default"),
        "facts": [
            ("Asked", f"{dial.asks} time{'' if dial.asks == 1 else 's'}"),
            ("First asked" if dial.asks == 1 else "Last asked", at(dial.asked_at)),
            *((name, at(moment)) for name, moment in heard if moment),
            *([("Answered by", dial.answered_by)] if dial.answered_by else []),
            *([("Reason", dial.reason.replace("_", " "))] if dial.reason else []),
            *([] if dial.ended_at else [("Overdue from", at(dial.deadline_at))]),
        ],
        "carrier_id": dial.carrier_id or NONE,
    }


def _asked(call: Call) -> list[tuple[str, str]]:
    timing = [("Not before", call.scheduled_at), ("Expires", call.last_moment)]
    return [
        ("By", f"{call.operator}, in the admin" if call.operator else _key(call)),
        ("Address", call.client_address or NONE),
        ("Request id", call.request_id),
        *((name, at(moment)) for name, moment in timing if moment),
        *([("Campaign", str(call.campaign_id))] if call.campaign_id else []),
    ]


def _limits(call: Call) -> list[tuple[str, str]]:
    price = f"{credits_text(call.price_per_minute)} a started minute"
    return [
        ("Carrier", call.carrier),
        ("May ring", seconds(call.ring_timeout)),
        ("May last", seconds(call.max_duration)),
        ("Tried again", in_words(call.retry) or "No"),
        *([("Calling hours", "Ignored, as asked")] if call.ignore_calling_hours else []),
        ("Price", "Nothing: a test" if call.mode == Mode.TEST else f"{price}, in credits"),
        *([("Set aside", credits_text(call.reserved))] if call.reserved else []),
    ]


def _ids(call: Call) -> list[tuple[str, str]]:
    theirs = [("Client's id", str(call.client_id))] if call.client_id else []
    return [("Id", call.native_id), ("As UUID", str(call.id)), *theirs]


def _dialogue(transcript: str) -> list[tuple[str, str]]:
    """Who said what, where every line says so; else empty."""
    lines = [line.strip() for line in transcript.splitlines() if line.strip()]
    spoken = [SPOKEN.match(line) for line in lines]
    return [(one[1], one[2]) for one in spoken if one] if all(spoken) else []
