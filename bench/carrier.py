"""A voice engine for benchmarks: takes every order after 20 ms, and notes when it was asked."""

import asyncio
import base64
import hmac
import json
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

from bench.sink import EMPTY, Receiver

ANSWER_SECONDS = 0.02
TALK_AFTER_SECONDS = 0.2
TALK_SECONDS = 0.5
# Of DIALER_SECRET: what signs orders and reports.
SECRET = "of-a-benchmark"  # noqa: S105


class Carrier(Receiver):
    """Its arrivals are the calls that it was asked for, and when, and no question after one."""

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if method != "POST":
            self._report_or_say_nothing(method, path, body)
            return
        order = json.loads(body)
        self.arrivals.append((order["call_id"], time.time()))
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._accept)

    def _report_or_say_nothing(self, method: str, path: str, body: bytes) -> None:
        if path == "/report":
            super()._answer(method, path, body)
        else:
            self._transport.write(EMPTY)

    def _accept(self) -> None:
        answer = json.dumps({"id": uuid4().hex}).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(answer) + answer
        )


class TalkingCarrier(Carrier):
    """One that also reports, as signed as the protocol says, and hears what webhooks are told.

    Its arrivals are `asked call_…` when it was asked, `answered call_…` when it reports an answer,
    and `call.started call_…` and the like when the webhook is told.
    """

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if method != "POST":
            self._report_or_say_nothing(method, path, body)
        elif path == "/hook":
            said = json.loads(body)
            self._take(f"{said['event']} {said['data']['callId']}")
        else:
            order = json.loads(body)
            self.arrivals.append((f"asked {order['call_id']}", time.time()))
            loop = asyncio.get_running_loop()
            loop.call_later(ANSWER_SECONDS, self._accept)
            loop.call_later(TALK_AFTER_SECONDS, self._begin, order)

    def _begin(self, order: dict[str, str]) -> None:
        task = asyncio.get_running_loop().create_task(self._talk(order))
        _talking.add(task)
        task.add_done_callback(_talking.discard)

    async def _talk(self, order: dict[str, str]) -> None:
        parts = urlsplit(order["status_url"])
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for status in ("answered", "completed"):
            # Before it is written: what lies between here and the webhook is all ours.
            self.arrivals.append((f"{status} {order['call_id']}", time.time()))
            writer.write(_report(order, status=status, host=parts.netloc, path=parts.path))
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(TALK_SECONDS)
        writer.close()


_talking: set[asyncio.Task[None]] = set()


def _report(order: dict[str, str], *, status: str, host: str, path: str) -> bytes:
    at = datetime.now(UTC).isoformat()
    body = json.dumps({"token": order["token"], "status": status, "at": at}).encode()
    name, timestamp = uuid4().hex, int(time.time())
    signed = f"{name}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"webhook-id: {name}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: v1,{signature}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
