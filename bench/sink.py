"""A receiver for benchmarks: answers 200 at once, or hangs where the path says so.

A bare protocol, so that it takes little of the cores that it shares with what is measured.
"""

import asyncio
import json
import multiprocessing
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

from bench.processes import Process

HANG_SECONDS = 20
PATIENCE_SECONDS = 120.0
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection, kept alive: requests with a Content-Length, one after the other."""

    # What arrived since the last report: paths and Unix times.
    arrivals: list[tuple[str, float]] = []

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            line, *headers = head.decode("latin-1").split("\r\n")
            try:
                method, path, _ = line.split(" ")
                length = _content_length(headers)
            except ValueError:
                self._transport.write(BAD)
                self._transport.close()
                return
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(method, path, rest[:length])

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if path == "/report":
            report = json.dumps(self.arrivals).encode()
            self.arrivals.clear()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(report) + report
            )
        elif path.startswith("/hang"):
            asyncio.get_running_loop().call_later(HANG_SECONDS, self._take, path)
        else:
            self._take(path)

    def _take(self, path: str) -> None:
        self.arrivals.append((path, time.time()))
        self._transport.write(EMPTY)


def _content_length(headers: list[str]) -> int:
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise ValueError("no header")
        if name.lower() == "content-length":
            return int(value)
    return 0


def report(base: str) -> list[tuple[str, float]]:
    """What arrived since the last report: paths, or what the receiver notes, and Unix times."""
    with urllib.request.urlopen(f"{base}/report", timeout=30) as answer:  # noqa: S310 - our own
        return [(what, at) for what, at in json.load(answer)]


def wait_for_arrivals(base: str, *, count: int, process: Process) -> list[tuple[str, float]]:
    """The first `count` of them, which `process` sends."""
    arrived: list[tuple[str, float]] = []
    ends = time.monotonic() + PATIENCE_SECONDS
    while len(arrived) < count:
        if time.monotonic() > ends or not process.is_running:
            raise RuntimeError(f"{len(arrived)} of {count} arrived\n{process.output}")
        time.sleep(0.05)
        arrived += report(base)
    return arrived


def rate_of(arrived: list[tuple[str, float]]) -> float:
    """A second, from the first to the last of them."""
    times = [at for _, at in arrived]
    return (len(times) - 1) / (max(times) - min(times))


def serve(pipe: Connection, receiver: type[Receiver]) -> None:
    """Serve on a free port, told through `pipe`, until the parent ends this process.

    GET /report answers what arrived since the last one.
    """

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(receiver, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def receiving(receiver: type[Receiver] = Receiver) -> Iterator[str]:
    """The receiver's base URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, receiver))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
