"""A carrier's own machine on loopback: it dials, it counts, and it can behave badly.

What happens to a number follows `DEFAULT_STORY` unless the test gives it another one; a story may
be told on while the call is under way.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.product import free_port

# Seconds after the dial, and what happens then.
Story = list[tuple[float, str]]
DEFAULT_STORY: Story = [(0.3, "ringing"), (0.8, "in_progress"), (1.5, "completed")]


@dataclass(frozen=True)
class Dialled:
    id: str
    number: str
    at: datetime


@dataclass
class Switchboard:
    url: str
    dialled: list[Dialled] = field(default_factory=list)
    stories: dict[str, Story] = field(default_factory=dict)
    # Numbers whose dial is answered only after so many seconds, or never: the connection is cut.
    slow: dict[str, float] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    # How many times more a number is refused for now; a refused one is not dialled.
    refusals: Counter[str] = field(default_factory=Counter)
    address: str = "127.0.0.1"
    # While it is down, nothing listens at its address.
    server: ThreadingHTTPServer | None = None
    handler: type[BaseHTTPRequestHandler] = BaseHTTPRequestHandler

    def come_up(self, port: int) -> None:
        self.server = _Server((self.address, port), self.handler)
        self.url = f"http://{self.address}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def go_down(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def numbers(self) -> list[str]:
        return [dial.number for dial in self.dialled]

    @property
    def dialled_twice(self) -> list[str]:
        return [number for number, times in Counter(self.numbers).items() if times > 1]

    def tell(self, number: str, status: str) -> None:
        """From now on the call to `number` is in `status`."""
        dial = next(dial for dial in self.dialled if dial.number == number)
        self.stories[number].append(((datetime.now(UTC) - dial.at).total_seconds(), status))

    def reports(self, dial_id: str) -> list[tuple[str, str]] | None:
        dial = next((dial for dial in self.dialled if dial.id == dial_id), None)
        if dial is None:
            return None
        story = self.stories.get(dial.number, DEFAULT_STORY)
        moments = [(status, dial.at + timedelta(seconds=seconds)) for seconds, status in story]
        now = datetime.now(UTC)
        return [(status, at.isoformat()) for status, at in moments if at <= now]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *args: Any) -> None:
        """Whoever asked was killed meanwhile."""


@contextmanager
def answering(address: str = "127.0.0.1") -> Iterator[Switchboard]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = asked["number"]
            if switchboard.refusals[number] > 0:
                switchboard.refusals[number] -= 1
                return self._answer(429)
            switchboard.dialled.append(Dialled(id=asked["id"], number=number, at=datetime.now(UTC)))
            time.sleep(switchboard.slow.get(number, 0))
            if number in switchboard.cut:
                self.close_connection = True
                return None
            return self._answer(201)

        def do_GET(self) -> None:
            reports = switchboard.reports(self.path.rsplit("/", 1)[-1])
            self._answer(404 if reports is None else 200, reports)

        def do_DELETE(self) -> None:
            self._answer(204)

        def _answer(self, status: int, body: object = None) -> None:
            content = b"" if status == 204 else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    switchboard = Switchboard(url="", handler=Handler, address=address)
    switchboard.come_up(free_port())
    try:
        yield switchboard
    finally:
        switchboard.go_down()
