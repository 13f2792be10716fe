"""A call in plain words: each line of its timeline, and why it ended as it did."""

TIMELINE = {
    "scheduled": "Accepted, to be placed later",
    "queued": "Accepted, waiting for a worker",
    "dialing": "Asked the carrier",
    "accepted_by_carrier": "The carrier took the call",
    "refused_by_carrier": "The carrier refused the call",
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
    "stray": "The carrier holds it although it has ended here",
    "stray_hung_up": "Hung up at the carrier",
    "stray_left": "The carrier could not be told to hang up",
}

# What happened, and what to do about it.
REASONS = {
    "rejected": "The callee's network rejected the call. Check that the number is in service.",
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
    "ring_timeout": "It rang as long as it may, and the carrier did not end it by itself.",
}

# Where a message's story is another than a call's.
MESSAGE_REASONS = {
    "rejected": "The recipient's network rejected the message. Check that the number is in "
    "service and takes messages.",
    "carrier_busy": "The carrier had no capacity, however often it was asked. Try again later.",
    "carrier_silent": "The carrier took the message and did not say within three days that it was "
    "sent. It was not sent again, so that nobody could get it twice.",
    "carrier_unknown": "The carrier's answer was lost, and it later knew of no such message. "
    "It was not sent again, so that nobody could get it twice.",
    "carrier_unreachable": "The carrier could not be reached to ask what became of the message. "
    "Check its status page and this server's network.",
    "lease_ran_out": "The server was too busy to ask the carrier in time. Start more workers.",
    "not_supported": "The agent's carrier sends no messages. Send it with an agent of another one.",
    "carrier_removed": "The carrier was taken out of this server's settings before it was asked. "
    "Choose another one for the agent.",
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


def sentence(type: str) -> str:
    """A timeline line's type as a sentence."""
    return TIMELINE.get(type) or type.replace("_", " ").capitalize()


def explain(reason: str) -> str:
    """A plain sentence for a call's reason; its name where none is written yet."""
    return REASONS.get(reason) or reason.replace("_", " ").capitalize()


def explain_message(reason: str) -> str:
    """A plain sentence for a message's reason; its name where none is written yet."""
    return MESSAGE_REASONS.get(reason) or explain(reason)
