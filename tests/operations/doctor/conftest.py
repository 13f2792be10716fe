"""The doctor as its command answers it, and small servers that it meets."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command


@dataclass(frozen=True)
class Said:
    """What the doctor says of one thing."""

    status: str
    text: str
    mend: str


@dataclass(frozen=True)
class Visit:
    """What the doctor says of an install, and the code that its command exits with."""

    exit_code: int
    said: dict[str, Any]

    def of(self, name: str) -> Said:
        """All that is said of one check, in one."""
        (check,) = [one for one in self.said["checks"] if one["name"] == name]
        parts = {key: " ".join(one[key] for one in check["findings"]) for key in ("text", "mend")}
        return Said(status=check["status"], **parts)


def visit(*names: str) -> Visit:
    out, code = StringIO(), 0
    try:
        call_command("doctor", *names, "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return Visit(exit_code=code, said=json.loads(out.getvalue()))


def ask(name: str) -> Said:
    """What is said of one check; the exit code agrees."""
    seen = visit(name)
    said = seen.of(name)
    assert seen.exit_code == (1 if said.status == "failed" else 0)
    assert seen.said["status"] == said.status
    assert bool(said.mend) == (said.status != "ok")
    return said


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def conversing(reply: Callable[[bytes], bytes], *, greeting: bytes = b"") -> Iterator[int]:
    """A server that greets, and replies to whatever comes in; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def attend(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.sendall(greeting)
            while said := connection.recv(65536):
                connection.sendall(reply(said))

    with serving(listener, attend) as port:
        yield port


@contextmanager
def serving(listener: socket.socket, attend: Callable[[socket.socket], None]) -> Iterator[int]:
    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=attend, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()
