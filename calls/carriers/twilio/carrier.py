"""The Twilio carrier: what is asked of its REST API, and what its callbacks say.

https://www.twilio.com/docs/voice/api/call-resource
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

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
from calls.carriers.exchange import Answer, Form, ask, check_url
from calls.carriers.twilio.reasons import ERRORS
from calls.carriers.twilio.signature import signed_fields
from calls.carriers.twilio.statuses import (
    seen_of_call,
    told_of_answer,
    told_of_call,
    told_of_message,
)
from calls.carriers.twilio.twiml import MAX_DOCUMENT_BYTES, MAX_INLINE_CHARACTERS, twiml
from calls.reports import MessageSnapshot, Snapshot

# It reports by itself; we only look in case a report was lost.
LOOK_AGAIN = timedelta(seconds=30)
# Of a call or a message; longer ones have no room in our rows.
A_SID = re.compile("[!-~]{1,100}")
# It knows no such call any more, or the call has ended.
ALREADY_OVER = (20404, 21220)

Credentials = Mapping[str, str]


def check_account_sid(text: str) -> None:
    """Raises ValueError for what is no SID of an account."""
    if not re.fullmatch("AC[0-9a-f]{32}", text):
        raise ValueError("It is AC and 32 hexadecimal digits: Twilio's console shows it.")


class TwilioCarrier(Carrier):
    credential_fields = (
        CredentialField(
            name="account_sid",
            label="Account SID",
            help="AC and 32 hexadecimal digits.",
            check=check_account_sid,
        ),
        CredentialField(name="auth_token", label="Auth token", is_secret=True),
        CredentialField(
            name="api_base_url",
            label="API base URL",
            help="Empty: the server's TWILIO_API_BASE_URL, which is Twilio itself unless set.",
            is_required=False,
            check=check_url,
        ),
    )

    def default_credentials(self) -> Credentials:
        if not settings.TWILIO_ACCOUNT_SID:
            return {}
        return {
            "account_sid": settings.TWILIO_ACCOUNT_SID,
            "auth_token": settings.TWILIO_AUTH_TOKEN,
            "api_base_url": settings.TWILIO_API_BASE_URL,
        }

    def check(self, credentials: Credentials) -> str:
        answer = _ask("GET", credentials)
        if not answer.is_success:
            raise _refusal(answer)
        status = str(answer.said.get("status") or "")
        if status != "active":
            reason = "carrier_account_suspended"
            raise CarrierError(f"It is {status}", permanent=True, reason=reason)
        return f"the account {credentials['account_sid']} is active"

    def dial(self, order: DialOrder) -> Accepted:
        return _give(order.credentials, "Calls.json", form=_call_form(order))

    def fetch(self, order: DialOrder) -> Snapshot | None:
        # Without its SID, nothing that Twilio lists proves that a call is ours. A callback does:
        # our dial is in its address, and the SID comes with it.
        call = (
            _look(order.credentials, f"Calls/{order.carrier_id}.json") if order.carrier_id else {}
        )
        if not call:
            return None
        reports = seen_of_call(call, since=order.asked_at)
        return Snapshot(reports=reports, look_at=timezone.now() + LOOK_AGAIN)

    def hang_up(self, order: DialOrder) -> None:
        if not order.carrier_id:
            raise CarrierUncertain("Nobody has told us its SID yet")
        path = f"Calls/{order.carrier_id}.json"
        answer = _ask("POST", order.credentials, path, form={"Status": "completed"})
        if not answer.is_success and _code(answer) not in ALREADY_OVER:
            raise CarrierUncertain(f"It answered {answer.status}")

    def send_sms(self, order: MessageOrder) -> Accepted:
        form = {
            "To": order.to_number,
            "From": order.from_number,
            "Body": order.text,
            "StatusCallback": f"{order.callback_url}/status",
        }
        return _give(order.credentials, "Messages.json", form=form)

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        path = f"Messages/{order.carrier_id}.json"
        message = _look(order.credentials, path) if order.carrier_id else {}
        if not message:
            return None
        reports = told_of_message(str(message.get("status")), error=message.get("error_code"))
        return MessageSnapshot(reports=reports, look_at=timezone.now() + LOOK_AGAIN)

    def hear(self, callback: Callback, order: DialOrder) -> Heard:
        fields = _fields_about(callback, order, sid="CallSid")
        if callback.topic == "amd":
            reports = told_of_answer(fields, since=order.asked_at)
        else:
            reports = told_of_call(fields, since=order.asked_at)
        heard = Heard(reports=reports, carrier_id=fields["CallSid"])
        if callback.topic != "twiml":
            return heard
        return replace(heard, body=twiml(order), content_type="text/xml")

    def hear_of_message(self, callback: Callback, order: MessageOrder) -> HeardOfMessage:
        fields = _fields_about(callback, order, sid="MessageSid")
        reports = told_of_message(fields.get("MessageStatus", ""), error=fields.get("ErrorCode"))
        return HeardOfMessage(reports=reports, carrier_id=fields["MessageSid"])


def _call_form(order: DialOrder) -> Form:
    document = twiml(order)
    if len(document.encode()) > MAX_DOCUMENT_BYTES:
        raise CarrierError("Too long", permanent=True, reason="instructions_too_long")
    is_short = len(document) <= MAX_INLINE_CHARACTERS
    return {
        "To": order.to_number,
        "From": order.from_number,
        "Timeout": order.ring_timeout,
        "TimeLimit": order.max_duration,
        **({"Twiml": document} if is_short else {"Url": f"{order.callback_url}/twiml"}),
        "StatusCallback": f"{order.callback_url}/status",
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "MachineDetection": "Enable",
        # Or the callee would hear nothing until a machine was ruled out.
        "AsyncAmd": "true",
        "AsyncAmdStatusCallback": f"{order.callback_url}/amd",
    }


def _fields_about(
    callback: Callback, order: DialOrder | MessageOrder, *, sid: str
) -> Mapping[str, str]:
    """The signed form of a callback that speaks of this order. Raises CallbackRefused."""
    fields = signed_fields(callback, credentials=order.credentials)
    if not _as_sid(fields.get(sid)):
        raise CallbackRefused(f"It has no {sid}", is_forged=False)
    if order.carrier_id and fields[sid] != order.carrier_id:
        raise CallbackRefused(f"It is about another {sid}", is_forged=True)
    return fields


# Asking -------------------------------------------------------------------------------------------


def _give(credentials: Credentials, path: str, *, form: Form) -> Accepted:
    """Give an order, which may ring a phone, so only proof that it was not taken is an error."""
    answer = _ask("POST", credentials, path, form=form)
    sid = _sid(answer)
    if answer.is_success and sid:
        return Accepted(carrier_id=sid, look_at=timezone.now() + LOOK_AGAIN)
    raise _refusal(answer)


def _look(credentials: Credentials, path: str) -> Mapping[str, Any] | None:
    """What Twilio says of a call or message; None where it knows none."""
    answer = _ask("GET", credentials, path)
    if answer.status == 404:
        return None
    if not answer.is_success or not _sid(answer):
        raise CarrierUncertain(f"It answered {answer.status}")
    return answer.said


def _ask(
    method: str, credentials: Credentials, path: str = "", *, form: Form | None = None
) -> Answer:
    """Ask for something of the account, or for the account itself.

    Raises what `ask` raises, and CarrierError where there is nobody to ask as.
    """
    sid, token = credentials.get("account_sid"), credentials.get("auth_token")
    if not sid or not token:
        raise CarrierError("No credentials", permanent=True, reason="carrier_not_configured")
    base = (credentials.get("api_base_url") or settings.TWILIO_API_BASE_URL).rstrip("/")
    url = f"{base}/2010-04-01/Accounts/{quote(sid, safe='')}"
    return ask(method, f"{url}/{path}" if path else f"{url}.json", data=form, auth=(sid, token))


def _refusal(answer: Answer) -> CarrierError | CarrierUncertain:
    says = f"It answered {answer.status}, error {_code(answer)}"
    if answer.status == 429:
        # Never processed, says https://www.twilio.com/docs/api/errors/20429.
        return CarrierError(says, permanent=False, reason="carrier_busy")
    if answer.status == 408 or not 400 <= answer.status < 500:
        return CarrierUncertain(says)
    by_status = "carrier_credentials_refused" if answer.status in (401, 403) else "carrier_refused"
    return CarrierError(says, permanent=True, reason=ERRORS.get(_code(answer), by_status))


def _sid(answer: Answer) -> str:
    return _as_sid(answer.said.get("sid"))


def _as_sid(given: object) -> str:
    """Empty for what is none."""
    return given if isinstance(given, str) and A_SID.fullmatch(given) else ""


def _code(answer: Answer) -> int:
    code = answer.said.get("code")
    return code if isinstance(code, int) else 0
