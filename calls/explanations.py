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
}

# What happened, and what to do about it.
REASONS = {
    "rejected": "The callee's network rejected the call. Check that the number is in service.",
    "carrier_refused": "The carrier refused to place the call, and gave no reason that is known "
    "here. Look into the carrier's own log.",
    "carrier_failed": "The carrier took the call and then failed to carry it out. Look into the "
    "carrier's own log.",
    "carrier_down": "No connection to the carrier could be made, however often it was tried, so "
    "it never heard of the call. Check that it runs, its address and its certificate.",
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
    "ring_timeout": "It rang as long as it may, and the carrier did not end it by itself.",
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
