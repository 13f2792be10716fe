"""A voice engine on loopback: it keeps what it was asked, and answers as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.test import Client
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verify(self, secret: str = SECRET) -> None:
        """That it is signed as the public Standard Webhooks library signs."""
        stamp = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        signed = Webhook(secret).sign(self.headers["webhook-id"], stamp, self.body.decode())
        assert signed == self.headers["webhook-signature"]


@dataclass(frozen=True)
class Says:
    """An answer; a cut one is none: the connection ends after the request was read."""

    status: int = 200
    said: object = None
    delay: float = 0.0
    is_cut: bool = False


@dataclass
class Engine:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    on_order: Callable[[Asked], Says] = lambda asked: Says(201, {"id": "e-1"})
    on_look: Callable[[Asked], Says] = lambda asked: Says(404)
    on_hang_up: Callable[[Asked], Says] = lambda asked: Says(204)

    def answer(self, asked: Asked) -> Says:
        self.asked.append(asked)
        doing = {"POST": self.on_order, "GET": self.on_look, "DELETE": self.on_hang_up}
        return doing[asked.method](asked)

    def of(self, method: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == method]

    @property
    def orders(self) -> list[Asked]:
        return self.of("POST")


@contextmanager
def an_engine() -> Iterator[Engine]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            says = engine.answer(Asked(self.command, self.path, headers, body))
            time.sleep(says.delay)
            if says.is_cut:
                self.close_connection = True
                return
            content = b"" if says.status == 204 else json.dumps(says.said).encode()
            self.send_response(says.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_DELETE = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *args: Any) -> None:
            """Whoever asked did not wait for the answer."""

    server = Server(("127.0.0.1", 0), Handler)
    engine = Engine(url=f"http://127.0.0.1:{server.server_port}/calls")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()


def signed(
    body: bytes, *, secret: str = SECRET, id: str = "report-1", at: datetime | None = None
) -> dict[str, str]:
    """The headers of a report, from the public library."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, at, body.decode("utf-8", "replace")),
    }


def report(
    order: Any,
    said: object,
    *,
    secret: str = SECRET,
    id: str = "report-1",
    signed_at: datetime | None = None,
    to: str | None = None,
    **headers: str,
) -> Any:
    """Send `said` (bytes as they are) to the order's status_url."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    given = {
        **signed(body, secret=secret, id=id, at=signed_at),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    address = to or order["status_url"].split("://", 1)[1].split("/", 1)[1]
    return Client().post(
        "/" + address.lstrip("/"), body, content_type="application/json", headers=given
    )
