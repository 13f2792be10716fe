"""The dialer: the operator's own voice engine. It takes signed orders and reports back, signed.

docs/carriers.md describes the protocol.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

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
from calls.carriers.dialer.reports import (
    Unreadable,
    call_report,
    carrier_id_in,
    heard_of,
    joined,
    message_report,
    refusal_in,
    results_in,
    told_in,
)
from calls.carriers.dialer.signing import check_secret, signed_headers, token_of
from calls.carriers.exchange import Answer, ask, check_url
from calls.reports import MessageSnapshot, Snapshot
from core.ids import native_id, new_id

# It reports by itself; this is for reports that were lost.
LOOK_AGAIN = timedelta(seconds=30)


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

    def default_credentials(self) -> Mapping[str, str]:
        if not settings.DIALER_URL:
            return {}
        return {"url": settings.DIALER_URL, "secret": settings.DIALER_SECRET}

    def check(self, credentials: Mapping[str, str]) -> str:
        # About a dial that never was: an engine that takes our signature says that it knows none.
        id = new_id()
        answer = _ask("GET", credentials=credentials, id=id, path=f"/{id}")
        if answer.status in (401, 403):
            reason = "carrier_credentials_refused"
            raise CarrierError(f"It answered {answer.status}", permanent=True, reason=reason)
        if not answer.is_success and not _says_nothing(answer):
            raise CarrierUncertain(f"The engine answered {answer.status}")
        return f"the engine at {credentials['url']} answers"

    def dial(self, order: DialOrder) -> Accepted:
        carrier_id = self._order(order, id=order.dial_id, path="", body=_asked(order))
        return Accepted(carrier_id=carrier_id, look_at=timezone.now() + LOOK_AGAIN)

    def fetch(self, order: DialOrder) -> Snapshot | None:
        now = timezone.now()
        answer = _ask(
            "GET", credentials=order.credentials, id=order.dial_id, path=f"/{order.dial_id}"
        )
        if _says_nothing(answer):
            return None if _is_stranger(answer, order=order) else Snapshot((), now + LOOK_AGAIN)
        said = told_in(answer)
        reports = tuple(call_report(one, order=order, now=now) for one in said)
        results = joined([results_in(one) for one in said])
        return Snapshot(reports, now + LOOK_AGAIN, results=results)

    def hang_up(self, order: DialOrder) -> None:
        answer = _ask(
            "DELETE", credentials=order.credentials, id=order.dial_id, path=f"/{order.dial_id}"
        )
        if not answer.is_success and answer.status not in (404, 410):
            raise CarrierUncertain(f"The engine answered {answer.status}")

    def hear(self, callback: Callback, order: DialOrder) -> Heard:
        said = heard_of(callback, order=order, id=order.dial_id)
        try:
            report = call_report(said, order=order, now=timezone.now())
            results = results_in(said)
        except Unreadable as error:
            raise CallbackRefused(str(error), is_forged=False) from None
        carrier_id = carrier_id_in(said) or order.dial_id.hex
        return Heard(reports=(report,), results=results, carrier_id=carrier_id)

    def send_sms(self, order: MessageOrder) -> Accepted:
        carrier_id = self._order(order, id=order.message_id, path="/messages", body=_written(order))
        return Accepted(carrier_id=carrier_id, look_at=timezone.now() + LOOK_AGAIN)

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        now = timezone.now()
        path = f"/messages/{order.message_id}"
        answer = _ask("GET", credentials=order.credentials, id=order.message_id, path=path)
        if _says_nothing(answer):
            return (
                None if _is_stranger(answer, order=order) else MessageSnapshot((), now + LOOK_AGAIN)
            )
        reports = tuple(message_report(one, order=order, now=now) for one in told_in(answer))
        return MessageSnapshot(reports, now + LOOK_AGAIN)

    def hear_of_message(self, callback: Callback, order: MessageOrder) -> HeardOfMessage:
        said = heard_of(callback, order=order, id=order.message_id)
        try:
            report = message_report(said, order=order, now=timezone.now())
        except Unreadable as error:
            raise CallbackRefused(str(error), is_forged=False) from None
        return HeardOfMessage(
            reports=(report,), carrier_id=carrier_id_in(said) or order.message_id.hex
        )

    def _order(
        self, order: DialOrder | MessageOrder, *, id: UUID, path: str, body: Mapping[str, object]
    ) -> str:
        """Have the order taken; the engine's id for it, or ours where it says none."""
        answer = _ask(
            "POST", credentials=order.credentials, id=id, path=path, body=json.dumps(body).encode()
        )
        if answer.status == 429:
            raise CarrierError("It is busy", permanent=False, reason="carrier_busy")
        if 400 <= answer.status < 500:
            reason = refusal_in(answer, is_message=isinstance(order, MessageOrder))
            raise CarrierError("It refused", permanent=True, reason=reason)
        if not answer.is_success:
            raise CarrierUncertain(f"The engine answered {answer.status}")
        return carrier_id_in(answer.said) or id.hex


def _ask(
    method: str, *, credentials: Mapping[str, str], id: UUID, path: str, body: bytes = b""
) -> Answer:
    url, secret = credentials.get("url"), credentials.get("secret")
    if not url or not secret:
        reason = "carrier_not_configured"
        raise CarrierError("It has no address or secret", permanent=True, reason=reason)
    # A signature for one question opens no other: neither has a body of its own.
    message_id = str(id) if method == "POST" else f"{id}.{method.lower()}"
    headers = signed_headers(body, id=message_id, secret=secret)
    headers["Content-Type"] = "application/json"
    return ask(method, url.rstrip("/") + path, data=body, headers=headers)


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


def _says_nothing(answer: Answer) -> bool:
    # 405 and 501: an engine that answers no questions, but may well be at it.
    return answer.status in (404, 405, 501)


def _is_stranger(answer: Answer, *, order: DialOrder | MessageOrder) -> bool:
    """Whether the engine never heard of it; one that took it may have no such page, or forgot."""
    return answer.status == 404 and not order.carrier_id
