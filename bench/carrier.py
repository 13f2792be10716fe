"""A voice engine for benchmarks: takes every order after 20 ms, and notes when it was asked."""

import asyncio
import json
import time
from uuid import uuid4

from bench.sink import Receiver

ANSWER_SECONDS = 0.02


class Carrier(Receiver):
    """Its arrivals are the calls that it was asked for, and when."""

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if method != "POST":
            super()._answer(method, path, body)
            return
        order = json.loads(body)
        self.arrivals.append((order["call_id"], time.time()))
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._accept)

    def _accept(self) -> None:
        answer = json.dumps({"id": uuid4().hex}).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(answer) + answer
        )
