"""The dialer: the operator's own voice engine. It takes signed orders and reports back, signed.

docs/carriers.md describes the protocol. Both sides sign as Standard Webhooks does; the signature
covers `webhook-id`, the time and the body, and with them everything that is asked or said.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from calls.carriers.base import (
    Accepted,
    Callback,
    CallbackRefused,
    Carrier,
    CarrierError,
    CarrierUncertain,
    CredentialField,
    DialOrder,
    Heard,
    HeardOfMessage,
    MessageOrder,
)
from calls.carriers.exchange import Answer, Exchange, NotConnected
from calls.explanations import REASONS
from calls.models import DialStatus, MessageStatus
from calls.reports import MessageReport, MessageSnapshot, Report, Results, Snapshot
from core.ids import native_id
from webhooks.signing import PREFIX, standard_signature

# It reports by itself; this is for reports that were lost.
LOOK_AGAIN = timedelta(seconds=30)
# How far its clock may be from ours, and how long a report it signed stays good.
TOLERANCE = timedelta(minutes=5)
# What is kept of each; a report may be 1 MiB in all.
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


class Unreadable(ValueError):
    """What the engine said is not in the protocol; the sentence is for its author."""


def check_url(text: str) -> None:
    """Raises ValueError for what is no address of an engine."""
    parts = urlsplit(text)
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise ValueError("Write it as https://voice.example.org/outdial, with nothing after it.")
    _ = parts.port  # raises ValueError too


def check_secret(text: str) -> None:
    """Raises ValueError for a `whsec_` secret that is none."""
    try:
        _signature(b"", id="", timestamp=0, secret=text)
    except ValueError:
        raise ValueError("It begins with whsec_, so base64 must follow.") from None


class DialerCarrier(Carrier):
    credential_fields = (
        CredentialField(
            name="url",
            label="URL",
            help="Where your voice engine takes orders, as https://voice.example.org/outdial.",
            check=check_url,
        ),
        CredentialField(
            name="secret",
            label="Secret",
            help="Signs orders and reports. Any text, or a Standard Webhooks secret (whsec_…).",
            is_secret=True,
            check=check_secret,
        ),
    )

    def __init__(self) -> None:
        self._exchange = Exchange()

    def default_credentials(self) -> Mapping[str, str]:
        if not settings.DIALER_URL:
            return {}
        return {"url": settings.DIALER_URL, "secret": settings.DIALER_SECRET}

    def dial(self, order: DialOrder) -> Accepted:
        carrier_id = self._order(order, order.dial_id, path="", body=_asked(order))
        return Accepted(carrier_id=carrier_id, look_at=timezone.now() + LOOK_AGAIN)

    def fetch(self, order: DialOrder) -> Snapshot | None:
        now = timezone.now()
        answer = self._ask("GET", order, order.dial_id, path=f"/{order.dial_id}")
        if _says_nothing(answer):
            return None if _is_stranger(answer, order) else Snapshot((), now + LOOK_AGAIN)
        said = _told(answer)
        try:
            reports = tuple(_call_report(one, order, now=now) for one in said)
            results = _joined([_results(one) for one in said])
        except Unreadable as error:
            raise CarrierUncertain(str(error)) from None
        return Snapshot(reports, now + LOOK_AGAIN, results=results)

    def hang_up(self, order: DialOrder) -> None:
        answer = self._ask("DELETE", order, order.dial_id, path=f"/{order.dial_id}")
        if not answer.is_success and answer.status not in (404, 410):
            raise CarrierUncertain(f"The engine answered {answer.status}")

    def hear(self, callback: Callback, order: DialOrder) -> Heard:
        said = _heard(callback, order, order.dial_id)
        try:
            report = _call_report(said, order, now=timezone.now())
            results = _results(said)
        except Unreadable as error:
            raise CallbackRefused(str(error), is_forged=False) from None
        carrier_id = _id(said) or order.dial_id.hex
        return Heard(reports=(report,), results=results, carrier_id=carrier_id)

    def send_sms(self, order: MessageOrder) -> Accepted:
        carrier_id = self._order(order, order.message_id, path="/messages", body=_written(order))
        return Accepted(carrier_id=carrier_id, look_at=timezone.now() + LOOK_AGAIN)

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        now = timezone.now()
        path = f"/messages/{order.message_id}"
        answer = self._ask("GET", order, order.message_id, path=path)
        if _says_nothing(answer):
            return None if _is_stranger(answer, order) else MessageSnapshot((), now + LOOK_AGAIN)
        said = _told(answer)
        try:
            reports = tuple(_message_report(one, order, now=now) for one in said)
        except Unreadable as error:
            raise CarrierUncertain(str(error)) from None
        return MessageSnapshot(reports, now + LOOK_AGAIN)

    def hear_of_message(self, callback: Callback, order: MessageOrder) -> HeardOfMessage:
        said = _heard(callback, order, order.message_id)
        try:
            report = _message_report(said, order, now=timezone.now())
        except Unreadable as error:
            raise CallbackRefused(str(error), is_forged=False) from None
        return HeardOfMessage(reports=(report,), carrier_id=_id(said) or order.message_id.hex)

    def _order(
        self, order: DialOrder | MessageOrder, id: UUID, *, path: str, body: Mapping[str, object]
    ) -> str:
        """Have the order taken; the engine's id for it, or ours where it says none."""
        try:
            answer = self._ask("POST", order, id, path=path, body=json.dumps(body).encode())
        except NotConnected as error:
            reason = "carrier_not_configured" if error.is_permanent else "carrier_down"
            raise CarrierError(str(error), permanent=error.is_permanent, reason=reason) from None
        if answer.status == 429:
            raise CarrierError("It is busy", permanent=False, reason="carrier_busy")
        if 400 <= answer.status < 500:
            raise CarrierError("It refused", permanent=True, reason=_refusal(answer))
        if not answer.is_success:
            raise CarrierUncertain(f"The engine answered {answer.status}")
        return _id(_object(answer.body)) or id.hex

    def _ask(
        self,
        method: str,
        order: DialOrder | MessageOrder,
        id: UUID,
        *,
        path: str,
        body: bytes = b"",
    ) -> Answer:
        url, secret = order.credentials.get("url"), order.credentials.get("secret")
        if not url or not secret:
            reason = "carrier_not_configured"
            raise CarrierError("It has no address or secret", permanent=True, reason=reason)
        # A signature for one question opens no other: neither has a body of its own.
        message_id = str(id) if method == "POST" else f"{id}.{method.lower()}"
        headers = _signed(body, id=message_id, secret=secret)
        return self._exchange.ask(method, url.rstrip("/") + path, body=body, headers=headers)


# What we say --------------------------------------------------------------------------------------


def _asked(order: DialOrder) -> dict[str, object]:
    return {
        "dial_id": str(order.dial_id),
        "call_id": native_id("call", order.call_id),
        "agent_id": native_id("agent", order.agent_id),
        "from_number": order.from_number,
        "to_number": order.to_number,
        "prompt": order.prompt,
        "greeting": order.greeting,
        "params": order.params,
        "metadata": order.metadata,
        "language": order.language,
        "voice": order.voice,
        "ring_timeout": order.ring_timeout,
        "max_duration": order.max_duration,
        "status_url": f"{order.callback_url}/status",
        "token": token_of(order.dial_id),
    }


def _written(order: MessageOrder) -> dict[str, object]:
    return {
        "message_id": str(order.message_id),
        "agent_id": native_id("agent", order.agent_id),
        "from_number": order.from_number,
        "to_number": order.to_number,
        "text": order.text,
        "status_url": f"{order.callback_url}/status",
        "token": token_of(order.message_id),
    }


def token_of(id: UUID) -> str:
    """What a report about this dial or message must show: only who got its order knows it.

    The signature does not cover the address that a report is sent to; this stands in its body.
    """
    return salted_hmac("calls.carriers.dialer", id.hex, algorithm="sha256").hexdigest()


def _signed(body: bytes, *, id: str, secret: str) -> dict[str, str]:
    timestamp = int(timezone.now().timestamp())
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": _signature(body, id=id, timestamp=timestamp, secret=secret),
    }


def _signature(body: bytes, *, id: str, timestamp: int, secret: str) -> str:
    """As Standard Webhooks; a secret that is none of its own counts as its bytes in UTF-8."""
    if not secret.startswith(PREFIX):
        secret = PREFIX + b64encode(secret.encode()).decode()
    return standard_signature(body, message_id=id, timestamp=timestamp, secret=secret)


# What we hear -------------------------------------------------------------------------------------


def _heard(callback: Callback, order: DialOrder | MessageOrder, id: UUID) -> dict[str, Any]:
    """What a callback says, once it is proven to be the engine's and about this very order."""
    if callback.topic != "status" or callback.method != "POST":
        raise CallbackRefused("Reports are POSTed to the order's status_url", is_forged=False)
    _check_signature(callback, secret=order.credentials.get("secret", ""))
    said = _object(callback.body)
    if said is None:
        raise CallbackRefused("The body must be a JSON object", is_forged=False)
    token = said.get("token")
    if not isinstance(token, str) or not _same(token, token_of(id)):
        raise CallbackRefused("The token is not the one of this order", is_forged=True)
    return said


def _check_signature(callback: Callback, *, secret: str) -> None:
    headers = {name.lower(): value for name, value in callback.headers.items()}
    id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not secret or not id or not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 12):
        raise CallbackRefused("It is not signed", is_forged=True)
    if abs(int(sent_at) - timezone.now().timestamp()) > TOLERANCE.total_seconds():
        raise CallbackRefused("It was not signed within the last 5 minutes", is_forged=True)
    expected = _signature(callback.body, id=id, timestamp=int(sent_at), secret=secret)
    given = headers.get("webhook-signature", "").split(" ")
    if not any(_same(one, expected) for one in given):
        raise CallbackRefused("The signature is wrong", is_forged=True)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`; None where there is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _told(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """What the engine answers of an order it knows: one report, or all of them."""
    said = _object(answer.body) if answer.is_success else None
    if said is None:
        raise CarrierUncertain(f"The engine answered {answer.status}")
    reports = said.get("reports", [said] if "status" in said else None)
    if not isinstance(reports, list) or not all(isinstance(one, dict) for one in reports):
        raise CarrierUncertain("The engine's answer has no list of reports")
    return reports


def _says_nothing(answer: Answer) -> bool:
    # 405 and 501: an engine that answers no questions, but may well be at it.
    return answer.status in (404, 405, 501)


def _is_stranger(answer: Answer, order: DialOrder | MessageOrder) -> bool:
    """Whether the engine never heard of it; one that took it may have no such page, or forgot."""
    return answer.status == 404 and not order.carrier_id


def _call_report(said: Mapping[str, Any], order: DialOrder, *, now: datetime) -> Report:
    status = _word(said, CALL_WORDS)
    reason = _reason(said, is_failure=status == DialStatus.FAILED)
    at = _moment(said, "at", order, now=now)
    has_answer = said.get("answered_at") is not None
    answered_at = _moment(said, "answered_at", order, now=now) if has_answer else None
    return Report(status=status, at=at, reason=reason, answered_at=answered_at)


def _message_report(
    said: Mapping[str, Any], order: MessageOrder, *, now: datetime
) -> MessageReport:
    status = _word(said, MESSAGE_WORDS)
    reason = _reason(said, is_failure=status == MessageStatus.FAILED)
    at = _moment(said, "at", order, now=now)
    return MessageReport(status=status, at=at, reason=reason)


def _word(said: Mapping[str, Any], words: Mapping[str, Word]) -> Word:
    word = said.get("status")
    if not isinstance(word, str) or word not in words:
        raise Unreadable(f"status must be one of {', '.join(words)}")
    return words[word]


def _moment(
    said: Mapping[str, Any], name: str, order: DialOrder | MessageOrder, *, now: datetime
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


def _refusal(answer: Answer) -> str:
    reason = (_object(answer.body) or {}).get("reason")
    return reason if isinstance(reason, str) and reason in REASONS else "carrier_refused"


def _results(said: Mapping[str, Any]) -> Results:
    url = _text(said, "recording_url", most=MOST_URL + 1)
    if url and (len(url) > MOST_URL or not url.lower().startswith(("https://", "http://"))):
        raise Unreadable("recording_url must be an http or https URL of at most 2,000 characters")
    return Results(
        transcript=_text(said, "transcript", most=MOST_TRANSCRIPT),
        summary=_text(said, "summary", most=MOST_SUMMARY),
        recording_url=url,
    )


def _joined(results: Sequence[Results]) -> Results:
    """The last word on each."""
    told: dict[str, str] = {}
    for one in results:
        told |= {name: text for name, text in vars(one).items() if text}
    return Results(**told)


def _id(said: Mapping[str, Any] | None) -> str:
    id = (said or {}).get("id")
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
