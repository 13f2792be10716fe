"""A stand-in for Twilio on loopback: it keeps accounts, calls and messages, and can behave badly.

Every request is held against what Twilio publishes, and its callbacks are signed by Twilio's own
library.
"""

import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import requests
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from tests.calls.twilio.published import Form, violations

SID = "AC" + "a" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
EVENTS = {"queued": "initiated", "ringing": "ringing", "in-progress": "answered"}


@dataclass
class Asked:
    method: str
    path: str
    form: Form


@dataclass
class Row:
    """A call or a message as Twilio keeps it."""

    sid: str
    account: str
    form: Form
    status: str = "queued"
    ended_at: datetime | None = None
    duration: int | None = None
    answered_by: str | None = None
    error_code: int | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __getitem__(self, name: str) -> str:
        """The one value of a field."""
        (value,) = self.form[name]
        return value


@dataclass
class Answer:
    status: int
    body: Any = None
    # Nothing comes back, though the request was read; `taken`: and carried out.
    is_cut: bool = False
    is_taken: bool = False
    # So many seconds before it comes back; a drip sends it byte by byte.
    delay: float = 0.0
    drip: float = 0.0


def error(status: int, code: int | None = None) -> Answer:
    body = {"code": code, "message": "No", "more_info": "", "status": status}
    return Answer(status=status, body=body if code else None)


@dataclass
class StandIn:
    url: str = ""
    # Of its accounts.
    status: str = "active"
    accounts: dict[str, str] = field(default_factory=lambda: {SID: TOKEN})
    asked: list[Asked] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    # What the next POSTs that order something meet with, one each.
    mischief: list[Answer] = field(default_factory=list)
    # Called with each new call or message before its POST is answered.
    on_taken: Callable[[Row], None] = lambda row: None
    # Called when an answer is ready and before it is sent.
    on_answered: Callable[[Asked], None] = lambda asked: None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def posts(self) -> list[Asked]:
        """The orders it was given, whatever became of them."""
        kinds = ("/Calls.json", "/Messages.json")
        return [one for one in self.asked if one.method == "POST" and one.path.endswith(kinds)]

    # Telling --------------------------------------------------------------------------------------

    def tell(self, call: Row, status: str, **fields: str) -> int:
        """Let the call come to `status` and say so; the status of the answer."""
        self.move(call, status, duration=fields.get("CallDuration"))
        if EVENTS.get(status, "completed") not in call.form["StatusCallbackEvent"]:
            return 0
        return self.post(call, call["StatusCallback"], self.said(call, **fields))

    def move(self, call: Row, status: str, *, duration: str | None = None) -> None:
        """Let the call come to `status`, and say nothing."""
        call.status = status
        if status not in EVENTS:
            call.ended_at = datetime.now(UTC)
            call.duration = int(duration or 0)

    def said(self, call: Row, **fields: str) -> dict[str, str]:
        """The form that Twilio sends of the call now."""
        return {
            "AccountSid": call.account,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": "initiated" if call.status == "queued" else call.status,
            "CallbackSource": "call-progress-events",
            "Direction": "outbound-api",
            "From": call["From"],
            "To": call["To"],
            "SequenceNumber": str(next(self._numbers)),
            "Timestamp": format_datetime(datetime.now(UTC)),
            **fields,
        }

    def tell_of_machine(self, call: Row, answered_by: str, *, after: int = 3000) -> int:
        """Let machine detection find out who answered, so many milliseconds after the answer."""
        call.answered_by = answered_by
        form = {
            "AccountSid": call.account,
            "AnsweredBy": answered_by,
            "CallSid": call.sid,
            "MachineDetectionDuration": str(after),
        }
        return self.post(call, call["AsyncAmdStatusCallback"], form)

    def tell_of_message(self, message: Row, status: str, *, code: int | None = None) -> int:
        """Let the message come to `status` and say so; the status of the answer."""
        message.status, message.error_code = status, code
        return self.post(message, message["StatusCallback"], self.said_of_message(message))

    def said_of_message(self, message: Row) -> dict[str, str]:
        """The form that Twilio sends of the message now."""
        return {
            "AccountSid": message.account,
            "ApiVersion": "2010-04-01",
            "From": message["From"],
            "MessageSid": message.sid,
            "MessageStatus": message.status,
            "SmsSid": message.sid,
            "SmsStatus": message.status,
            "To": message["To"],
            **({"ErrorCode": str(message.error_code)} if message.error_code else {}),
        }

    def post(self, row: Row, url: str, form: dict[str, str], *, token: str | None = None) -> int:
        """Send a form to `url`, signed as the account of the call or message does."""
        return self.request(row, url, form, token=token).status_code

    def request(
        self, row: Row, url: str, form: dict[str, str], *, token: str | None = None
    ) -> requests.Response:
        signature = self.sign(url, form, token=token or self.accounts[row.account])
        return self.send(url, form, signature=signature)

    def sign(self, url: str, form: dict[str, str], *, token: str) -> str:
        return str(RequestValidator(token).compute_signature(url, form))

    def send(self, url: str, form: dict[str, str], *, signature: str | None) -> requests.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
        if signature is not None:
            headers["X-Twilio-Signature"] = signature
        return requests.post(url, data=urlencode(form), headers=headers, timeout=20)

    # Answering ------------------------------------------------------------------------------------

    def answer(self, asked: Asked, authorization: str) -> Answer:
        self.asked.append(asked)
        self.violations += violations(asked.method, asked.path, asked.form)
        _, _, _, account, *rest = asked.path.split("/")
        account = account.removesuffix(".json")
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if self.accounts.get(account) is None or given != f"{account}:{self.accounts[account]}":
            return error(401, 20003)
        if not rest:
            return Answer(status=200, body={"sid": account, "status": self.status})
        kind, _, name = "/".join(rest).removesuffix(".json").partition("/")
        if not name:
            return self._take(kind, account, asked.form)
        return self._about(kind, account, name, asked)

    def _take(self, kind: str, account: str, form: Form) -> Answer:
        answer = self.mischief.pop(0) if self.mischief else Answer(status=201, is_taken=True)
        if not answer.is_taken:
            return answer
        rows, prefix = (self.calls, "CA") if kind == "Calls" else (self.messages, "SM")
        row = Row(sid=f"{prefix}{len(rows) + 1:032x}", account=account, form=form)
        rows.append(row)
        self.on_taken(row)
        if answer.body is None:
            answer.body = _resource(row)
        return answer

    def _about(self, kind: str, account: str, sid: str, asked: Asked) -> Answer:
        rows = self.calls if kind == "Calls" else self.messages
        row = next((one for one in rows if one.sid == sid and one.account == account), None)
        if row is None:
            return error(404, 20404)
        if asked.method == "POST" and row.ended_at:
            return error(400, 21220)
        if asked.method == "POST":
            self.move(row, asked.form["Status"][0])
        return Answer(status=200, body=_resource(row))


def _resource(row: Row) -> dict[str, Any]:
    common = {
        "sid": row.sid,
        "account_sid": row.account,
        "from": row["From"],
        "to": row["To"],
        "status": row.status,
        "date_created": format_datetime(row.created_at),
    }
    if row.sid.startswith("SM"):
        return {**common, "body": row["Body"], "error_code": row.error_code}
    return {
        **common,
        "start_time": format_datetime(row.created_at),
        "end_time": row.ended_at and format_datetime(row.ended_at),
        "duration": None if row.duration is None else str(row.duration),
        "answered_by": row.answered_by,
        "direction": "outbound-api",
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._answer(parse_qs(body, keep_blank_values=True))

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, form: Form) -> None:
        asked = Asked(method=self.command, path=self.path, form=form)
        answer = self.server.standin.answer(asked, self.headers.get("Authorization") or "")
        self.server.standin.on_answered(asked)
        time.sleep(answer.delay)
        if answer.is_cut:
            self.close_connection = True
            return
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self._write(content, drip=answer.drip)

    def _write(self, content: bytes, *, drip: float) -> None:
        if not drip:
            self.wfile.write(content)
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(drip)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    standin: StandIn

    def handle_error(self, *args: Any) -> None:
        """Whoever asked has gone."""


@contextmanager
def standing_in(*, port: int = 0) -> Iterator[StandIn]:
    """A stand-in that answers on loopback."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.standin = StandIn(url=f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.standin
    finally:
        server.shutdown()
        server.server_close()
