"""A real web server on loopback that remembers what it was sent and answers as told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verify(self, secret: str) -> Any:
        """The body as the public Standard Webhooks library accepts it; raises where it does not."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    delay: float = 0.0


@dataclass
class Receiver:
    url: str
    requests: list[Received] = field(default_factory=list)
    reply: Callable[[Received], Reply] = lambda received: Reply()

    @property
    def events(self) -> list[str]:
        return [request.json["event"] for request in self.requests]

    def wait_for(self, count: int, *, seconds: float = 20.0) -> list[Received]:
        """The requests, once there are `count` of them."""
        ends = time.monotonic() + seconds
        while len(self.requests) < count and time.monotonic() < ends:
            time.sleep(0.02)
        assert len(self.requests) >= count, f"{len(self.requests)} of {count} arrived"
        return self.requests


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(path=self.path, headers=headers, body=body, at=time.time())
            receiver.requests.append(received)
            reply = receiver.reply(received)
            time.sleep(reply.delay)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        # As long as a share of connections may come at once.
        request_queue_size = 512

        def handle_error(self, *args: Any) -> None:
            """Whoever posted did not wait for the answer."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(url=f"http://127.0.0.1:{server.server_port}/hook")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
