"""A call in plain words: what happened, each line of its timeline, why it ended as it did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.retries import RetryRule
from calls.models import ANSWERED, Call, Status
from core.admin import at, seconds

TIMELINE = {
    "scheduled": "Accepted, to be placed later",
    "postponed": "Postponed",
    "queued": "Accepted, waiting for a worker",
    "dialing": "Asked the carrier",
    "accepted_by_carrier": "The carrier took the call",
    "refused_by_carrier": "The carrier refused the call",
    "carrier_not_reached": "The carrier could not be reached",
    "carrier_answer_lost": "The carrier's answer was lost",
    "ringing": "Ringing",
    "in_progress": "Answered",
    "completed": "Ended after a conversation",
    "voicemail": "Ended: a machine had answered",
    "busy": "Ended: the line was busy",
    "no_answer": "Ended: nobody answered",
    "failed": "Failed",
    "canceled": "Canceled before it was answered",
    "cancel_requested": "Asked to cancel it",
    "retry": "To be dialled again",
    "retries_dropped": "To be dialled no further time: it comes from a backup",
    "stray": "The carrier holds it although it has ended here",
    "stray_hung_up": "Hung up at the carrier",
    "stray_left": "The carrier could not be told to hang up",
}

# What happened, and what to do about it.
REASONS = {
    "agent_disabled": "Its agent was deleted while it waited, so it was not dialled.",
    "stray_dial": "The carrier took a dial that it had refused or that was given up. It was hung "
    "up, and the call is not dialled again.",
    "do_not_call": "The number is on the account's do-not-call list, so it was not dialled.",
    "country_not_allowed": "The account's calling rules do not allow the number's country. "
    "Add the country to them if it should be called.",
    "outside_calling_hours": "The calling hours do not open for this number. "
    "Check them in the account's calling rules.",
    "person_called_too_often": "The number was called as often that day as the account's calling "
    "rules allow, so the call waits for the next day.",
    "rejected": "The callee's network rejected the call. Check that the number is in service.",
    "carrier_refused": "The carrier refused to place the call, and gave no reason that is known "
    "here. Look into the carrier's own log.",
    "carrier_failed": "The carrier took the call and then failed to carry it out. Look into the "
    "carrier's own log.",
    "carrier_down": "No connection to the carrier could be made, however often it was tried, so "
    "it never heard of the call. Check that it runs, its address and its certificate.",
    "carrier_removed": "The carrier was taken out of this server's settings before it was asked. "
    "Choose another one for the agent.",
    "not_supported": "The agent's carrier places no calls. Place it with an agent of another one.",
    "carrier_not_configured": "The server has no usable credentials for the carrier. Fill them in "
    "under Carrier credentials, for the account, or in the settings, for all of them.",
    "carrier_busy": "The carrier had no capacity, however often it was asked. Try again later.",
    "carrier_silent": "The carrier took the call and then never said what became of it. "
    "It was not dialled again, so that no phone could ring twice.",
    "carrier_unknown": "The carrier's answer was lost, and it later knew of no such call. "
    "It was not dialled again, so that no phone could ring twice.",
    "carrier_unreachable": "The carrier could not be reached to ask what became of the call. "
    "Check its status page and this server's network.",
    "lease_ran_out": "The server was too busy to ask the carrier in time. Start more workers.",
    "max_duration": "The call reached its longest duration and was hung up.",
    "on_request": "It was canceled before anybody answered.",
    "hung_up": "It was canceled after it had been answered, so it was hung up.",
    "expired": "It was still waiting when its time to be dialled ran out. "
    "Raise the limits that it waited for, or its expiry.",
    "restored": "It was waiting in a backup that was restored, and may have been dialled since the "
    "backup was made. It was not dialled again, so that no phone could ring twice.",
    "ring_timeout": "It rang as long as it may, and the carrier did not end it by itself.",
    "callback_url_refused": "The carrier refused this server's address for its reports. Set "
    "PUBLIC_URL to an address that the carrier can reach.",
    "carrier_account_suspended": "The carrier suspended your account there, or closed it. "
    "Ask the carrier.",
    "carrier_credentials_refused": "The carrier did not accept the account's credentials. "
    "Check them in the admin or the environment.",
    "country_not_enabled": "Your account at the carrier may not reach this country. "
    "Enable it in the carrier's geographic permissions.",
    "declined": "The callee declined the call. Do not call again at once.",
    "from_number_refused": "The carrier does not let you call or write from this number. "
    "Buy it there, or have it verified.",
    "handset_unreachable": "The phone was off or out of reach. Try again later.",
    "instructions_too_long": "The agent's prompt, greeting and params are more than the carrier "
    "takes. Shorten them.",
    "message_blocked": "The callee's network or phone blocks such messages. Do not send it again.",
    "message_filtered": "A network filtered the message as unwanted. Change its text, and check "
    "the sender's registration.",
    "message_too_long": "The text is longer than the carrier takes. Shorten it.",
    "network_failure": "A network on the way to the callee failed. Try again later.",
    "number_blocked": "The carrier lets nobody call this number. Take it off your list.",
    "number_cannot_receive": "The number cannot receive text messages. It may be a landline.",
    "number_not_in_service": "The number is not in service. Check it, or take it off your list.",
    "number_not_verified": "Your account at the carrier is on trial and reaches verified numbers "
    "only. Verify the number there, or upgrade the account.",
    "recipient_opted_out": "The recipient answered STOP. Do not write to them again.",
    "sender_not_registered": "The sender is not registered for messages to this country. "
    "Register it with the carrier.",
    "to_number_invalid": "The carrier says that this is no number it can reach. Check it.",
}

# Where a message's story is another than a call's.
MESSAGE_REASONS = {
    "rejected": "The recipient's network rejected the message. Check that the number is in "
    "service and takes messages.",
    "carrier_silent": "The carrier took the message and did not say within three days that it was "
    "sent. It was not sent again, so that nobody could get it twice.",
    "carrier_unknown": "The carrier's answer was lost, and it later knew of no such message. "
    "It was not sent again, so that nobody could get it twice.",
    "carrier_unreachable": "The carrier could not be reached to ask what became of the message. "
    "Check its status page and this server's network.",
    "restored": "It was waiting in a backup that was restored, and may have been sent since the "
    "backup was made. It was not sent again, so that nobody could get it twice.",
    "not_supported": "The agent's carrier sends no messages. Send it with an agent of another one.",
}

MESSAGE_STATUSES = {
    "queued": "It waits for a worker.",
    "sending": "The carrier was asked to send it, and has not said yet that it did.",
    "sent": "The carrier sent it; that it arrived is not known yet, and may never be.",
    "delivered": "It arrived.",
    "failed": "It was not sent, or did not arrive.",
}

# Lines that need a word more, beside the reason they may carry.
REMARKS = {
    "carrier_answer_lost": "It may have been taken all the same, so the carrier is asked what "
    "became of it. It is never dialled again.",
}


# How a call ended that nobody has to repair, by its status.
ENDS = {
    Status.BUSY: "It did not ring: the line was busy.",
    Status.NO_ANSWER: "It rang, and nobody answered.",
}
RETRY_ADVICE = "Call again later, or give the agent a retry rule."


def what_happened(call: Call, *, has_rung: bool, now: datetime) -> str:
    """The story of `call` in a sentence or two, with what to do where something is wrong."""
    if not call.is_terminal:
        return _so_far(call, now=now)
    if call.status in ANSWERED:
        return " ".join(filter(None, [_answered(call), explain(call.reason)]))
    if call.status in ENDS:
        advice = explain(call.reason) or _advice(call)
        return f"{ENDS[Status(call.status)]} {advice}"
    return f"{'It rang.' if has_rung else 'It did not ring.'} {explain(call.reason)}".strip()


def _so_far(call: Call, *, now: datetime) -> str:
    if call.status == Status.SCHEDULED:
        return f"It waits until {at(call.due_at)} to be dialled."
    if call.status == Status.QUEUED and call.due_at and call.due_at > now:
        return f"Nobody answered yet: it is dialled again at {at(call.due_at)}."
    if call.status == Status.IN_PROGRESS:
        return f"It was answered after {_wait(call)}, and the conversation goes on."
    return {
        Status.QUEUED: "It waits for its turn.",
        Status.DIALING: "The carrier was asked, and has not said yet that it rings.",
        Status.RINGING: "It rings.",
    }[Status(call.status)]


def _answered(call: Call) -> str:
    if call.status == Status.VOICEMAIL:
        return f"It rang, and a machine answered after {_wait(call)}."
    return f"It rang, was answered after {_wait(call)} and ended after {seconds(call.duration)}."


def _wait(call: Call) -> str:
    """From when it was asked for to its answer."""
    began = max(call.scheduled_at or call.created_at, call.created_at)
    return seconds(max((call.started_at - began).total_seconds(), 0) if call.started_at else None)


def _advice(call: Call) -> str:
    return "It was tried as often as its retry rule says." if call.retry else RETRY_ADVICE


def in_words(retry: Mapping[str, Any] | None) -> str:
    """A stored retry rule as people say it; empty where there is none."""
    rule = RetryRule.of(retry)
    if rule is None:
        return ""
    causes = " or ".join(cause.replace("_", " ") for cause in rule.causes)
    gaps = ", then ".join(seconds(gap.total_seconds()) for gap in rule.gaps[: rule.attempts - 1])
    return f"After {causes}: up to {rule.attempts} dials in all, {gaps} apart"


def sentence(type: str) -> str:
    """A timeline line's type as a sentence."""
    return TIMELINE.get(type) or type.replace("_", " ").capitalize()


def explain(reason: str) -> str:
    """A plain sentence for a call's reason; its name where none is written yet, if there is one."""
    return REASONS.get(reason) or reason.replace("_", " ").capitalize()


def explain_message(reason: str) -> str:
    """A plain sentence for a message's reason; its name where none is written yet."""
    return MESSAGE_REASONS.get(reason) or explain(reason)
