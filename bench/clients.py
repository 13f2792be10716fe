"""Clients that post as fast as they are answered, over connections that are kept alive."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

CLIENTS = 16


@dataclass(frozen=True)
class Load:
    """What came of some seconds of requests; waits in seconds, shortest first."""

    seconds: float
    waits: list[float]

    @property
    def rate(self) -> float:
        return len(self.waits) / self.seconds

    def percentile(self, share: float) -> float:
        return percentile(self.waits, share)


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def post_for(
    seconds: float, url: str, *, body: Callable[[int], object], headers: dict[str, str]
) -> Load:
    """Let 16 clients post for so long. `body` is told how many came before.

    Raises RuntimeError for an answer that is not 201: a refusal is quick, and no figure.
    """
    return asyncio.run(_post(url, body=body, headers=headers, seconds=seconds, most=None))


def post_times(
    times: int, url: str, *, body: Callable[[int], object], headers: dict[str, str]
) -> Load:
    """Let 16 clients post so often in all."""
    return asyncio.run(_post(url, body=body, headers=headers, seconds=float("inf"), most=times))


async def _post(
    url: str,
    *,
    body: Callable[[int], object],
    headers: dict[str, str],
    seconds: float,
    most: int | None,
) -> Load:
    waits: list[float] = []
    numbers = count()
    began = time.perf_counter()
    ends = began + seconds

    async def run() -> None:
        async with Connection(url, headers=headers) as connection:
            while (asked := time.perf_counter()) < ends:
                number = next(numbers)
                if most is not None and number >= most:
                    return
                await connection.post(body(number))
                waits.append(time.perf_counter() - asked)

    await asyncio.gather(*(run() for _ in range(CLIENTS)))
    return Load(seconds=time.perf_counter() - began, waits=sorted(waits))


class Connection:
    """One client's, kept alive. It reads what this product and its peers answer, and no more."""

    def __init__(self, url: str, *, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), parts.port or 80
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += ["Content-Type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
        self._start = "\r\n".join(lines).encode()

    async def __aenter__(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def post(self, body: object) -> bytes:
        raw = json.dumps(body).encode()
        self._writer.write(self._start + b"\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)
        head = await self._reader.readuntil(b"\r\n\r\n")
        answer = await self._reader.readexactly(_length(head))
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(f"{head[:60]!r} {answer[:300]!r}")
        return answer


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
