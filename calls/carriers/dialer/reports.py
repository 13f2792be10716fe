"""What a voice engine says, read strictly: in our words, or not at all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.utils.dateparse import parse_datetime

from calls.carriers.base import (
    Callback,
    CallbackRefused,
    CarrierUncertain,
    DialOrder,
    MessageOrder,
)
from calls.carriers.dialer.signing import TOLERANCE, check_signature, check_token
from calls.carriers.exchange import Answer, object_in
from calls.explanations import MESSAGE_REASONS, REASONS
from calls.models import DialStatus, MessageStatus
from calls.reports import MessageReport, Report, Results

# What is kept of each, in characters; a report may be 1 MiB in all.
MOST_TRANSCRIPT, MOST_SUMMARY, MOST_URL = 200_000, 10_000, 2_000
MOST_ID = 100

CALL_WORDS = {
    "dialing": DialStatus.DIALING,
    "ringing": DialStatus.RINGING,
    "answered": DialStatus.IN_PROGRESS,
    "completed": DialStatus.COMPLETED,
    "voicemail": DialStatus.VOICEMAIL,
    "busy": DialStatus.BUSY,
    "no_answer": DialStatus.NO_ANSWER,
    "failed": DialStatus.FAILED,
    "canceled": DialStatus.CANCELED,
}
MESSAGE_WORDS = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "failed": MessageStatus.FAILED,
}

Word = TypeVar("Word")

log = structlog.get_logger(__name__)


class Unreadable(CarrierUncertain):
    """What the engine said is not in the protocol; the sentence is for its author."""


def heard_of(callback: Callback, *, order: DialOrder | MessageOrder, id: UUID) -> dict[str, Any]:
    """What a callback says, once it is proven to be the engine's and about this very order.

    Raises CallbackRefused.
    """
    if callback.topic != "status" or callback.method != "POST":
        raise CallbackRefused("Reports are POSTed to the order's status_url", is_forged=False)
    secret = order.credentials.get("secret", "")
    check_signature(callback.body, headers=callback.headers, secret=secret)
    said = object_in(callback.body)
    if said is None:
        raise CallbackRefused("The body must be a JSON object", is_forged=False)
    check_token(said.get("token"), id=id)
    return said


def told_in(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """What the engine answers of an order it knows: one report, or all of them."""
    if not answer.is_success:
        raise CarrierUncertain(f"The engine answered {answer.status}")
    said = answer.said
    reports = said.get("reports", [said] if "status" in said else None)
    if not isinstance(reports, list) or not all(isinstance(one, dict) for one in reports):
        raise CarrierUncertain("The engine's answer has no list of reports")
    return reports


def call_report(said: Mapping[str, Any], *, order: DialOrder, now: datetime) -> Report:
    """Raises Unreadable."""
    status = _word(said, words=CALL_WORDS)
    reason = _reason(said, is_failure=status == DialStatus.FAILED)
    at = _moment(said, "at", order=order, now=now)
    has_answer = said.get("answered_at") is not None
    answered_at = _moment(said, "answered_at", order=order, now=now) if has_answer else None
    return Report(status=status, at=at, reason=reason, answered_at=answered_at)


def message_report(said: Mapping[str, Any], *, order: MessageOrder, now: datetime) -> MessageReport:
    """Raises Unreadable."""
    status = _word(said, words=MESSAGE_WORDS)
    reason = _reason(said, is_failure=status == MessageStatus.FAILED)
    at = _moment(said, "at", order=order, now=now)
    return MessageReport(status=status, at=at, reason=reason)


def _word(said: Mapping[str, Any], *, words: Mapping[str, Word]) -> Word:
    word = said.get("status")
    if not isinstance(word, str) or word not in words:
        raise Unreadable(f"status must be one of {', '.join(words)}")
    return words[word]


def _moment(
    said: Mapping[str, Any], name: str, *, order: DialOrder | MessageOrder, now: datetime
) -> datetime:
    text = said.get(name)
    try:
        at = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Unreadable(f"{name} must be a time as 2026-11-22T09:30:00Z")
    if not order.asked_at - TOLERANCE <= at <= now + TOLERANCE:
        raise Unreadable(f"{name} lies before the order or in the future: set your clock")
    return at


def _reason(said: Mapping[str, Any], *, is_failure: bool) -> str:
    reason = _text(said, "reason", most=MOST_ID)
    if reason in REASONS:
        return reason
    if reason:
        log.warning("reason_unknown", reason=reason)
    return "carrier_failed" if is_failure else ""


def refusal_in(answer: Answer, *, is_message: bool) -> str:
    """The stable name of why the engine refused an order."""
    reason = answer.said.get("reason")
    known = isinstance(reason, str) and (
        reason in REASONS or (is_message and reason in MESSAGE_REASONS)
    )
    return str(reason) if known else "carrier_refused"


def results_in(said: Mapping[str, Any]) -> Results:
    """What it says of the conversation. Raises Unreadable."""
    url = _text(said, "recording_url", most=MOST_URL + 1)
    if url and (len(url) > MOST_URL or not url.lower().startswith(("https://", "http://"))):
        raise Unreadable("recording_url must be an http or https URL of at most 2,000 characters")
    return Results(
        transcript=_text(said, "transcript", most=MOST_TRANSCRIPT),
        summary=_text(said, "summary", most=MOST_SUMMARY),
        recording_url=url,
    )


def joined(results: Sequence[Results]) -> Results:
    """The last word on each."""
    told: dict[str, str] = {}
    for one in results:
        told |= {name: text for name, text in vars(one).items() if text}
    return Results(**told)


def carrier_id_in(said: Mapping[str, Any]) -> str:
    """The engine's own name for the order; empty where it says none."""
    id = said.get("id")
    return _clean(id)[:MOST_ID] if isinstance(id, str) else ""


def _text(said: Mapping[str, Any], name: str, *, most: int) -> str:
    text = said.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise Unreadable(f"{name} must be a string")
    return _clean(text)[:most]


def _clean(text: str) -> str:
    """Without what no database keeps: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode(errors="replace").decode()
