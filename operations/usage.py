"""Who uses the server, and how it answers: counted in memory, written down every few seconds.

A process that is killed takes the last few seconds of its counts with it; one that stops writes
them down first. Where the database is away they wait, up to a bound.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.db import close_old_connections, connection, transaction

from agents.unusual import note_use
from core.histogram import bucket_of
from core.observing import Answered
from operations.adding import add_up
from operations.models import ApiAddress, ApiUsage
from operations.spans import Span, begin_of
from operations.tallies import HTTP, Tallies

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 5.0
# Of one key in one hour, for each process; what comes from further ones counts without them.
ADDRESSES_KEPT = 50
# As many counts wait for a database that is away: a day of two hundred busy keys.
MOST_CELLS = 100_000

RATE_LIMITED = 429

Cell = tuple[datetime, UUID | None, str, int]
Address = tuple[datetime, UUID | None, str]
Key = TypeVar("Key", bound=tuple[Any, ...])


@dataclass
class Counts:
    """What was counted since the last flush."""

    # By five minutes, key, surface and bucket: requests, client errors, server errors, limit hits.
    cells: dict[Cell, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))
    # By hour, key and address: requests.
    addresses: dict[Address, int] = field(default_factory=lambda: defaultdict(int))
    # Since ever, by route and status.
    tallies: Tallies = field(default_factory=Tallies)

    def add(self, other: "Counts") -> None:
        for cell, sums in other.cells.items():
            self.cells[cell] = [a + b for a, b in zip(self.cells[cell], sums, strict=True)]
        for address, requests in other.addresses.items():
            self.addresses[address] += requests
        self.tallies.add_all(other.tallies)


class Buffer:
    """The counts of this process. Threads add to it, one at a time takes them away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._counts = Counts()
        self._known: dict[tuple[datetime, UUID | None], set[str]] = defaultdict(set)

    def add(self, answered: Answered) -> None:
        labels = (answered.surface, answered.method, answered.route, str(answered.status))
        # One lock for all of it: a flush between two parts would take the one without the other.
        with self._lock:
            self._counts.tallies.add(HTTP, *labels, seconds=answered.seconds)
            if answered.is_api:
                self._add_usage(answered)

    def _add_usage(self, answered: Answered) -> None:
        status, hour = answered.status, begin_of(answered.at, Span.HOUR)
        slot = begin_of(answered.at, Span.FIVE_MINUTES)
        cell = (slot, answered.key_id, answered.surface, bucket_of(answered.seconds))
        if cell in self._counts.cells or len(self._counts.cells) < MOST_CELLS:
            sums = self._counts.cells[cell]
            sums[0] += 1
            sums[1] += 400 <= status < 500 and status != RATE_LIMITED
            sums[2] += status >= 500
            sums[3] += status == RATE_LIMITED
        # Without the zone of a link-local one, which is no part of the address.
        address = answered.address.partition("%")[0]
        if address and self._is_kept(address, known=self._known[hour, answered.key_id]):
            self._counts.addresses[hour, answered.key_id, address] += 1

    def _is_kept(self, address: str, *, known: set[str]) -> bool:
        if len(known) < ADDRESSES_KEPT:
            known.add(address)
        return address in known

    def flush(self, write: Callable[[Counts], None]) -> None:
        """Have the counts written down; they are kept if that fails."""
        with self._flushing:
            counts = self._take()
            if not counts.tallies:
                return
            try:
                write(counts)
            except Exception:
                with self._lock:
                    self._counts.add(counts)
                raise

    def _take(self) -> Counts:
        with self._lock:
            counts, self._counts = self._counts, Counts()
            latest = max((hour for hour, _ in self._known), default=None)
            for key in [key for key in self._known if key[0] != latest]:
                del self._known[key]
        return counts

    def clear(self) -> None:
        with self._lock:
            self._counts = Counts()
            self._known.clear()


_buffer = Buffer()
_may_flush = threading.Event()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def record(answered: Answered) -> None:
    """Count one answer. Microseconds; nothing is written yet."""
    _buffer.add(answered)
    if _may_flush.is_set() and _thread is None:
        _start_thread()


def flush() -> None:
    """Write down what was counted."""
    _buffer.flush(_write)


def forget() -> None:
    """Begin afresh, without what was counted and not written."""
    _buffer.clear()


def start_flushing() -> None:
    """From now on, counts of this process are written every few seconds, and when it stops."""
    _may_flush.set()


# Flushing -----------------------------------------------------------------------------------------


def _start_thread() -> None:
    """Begun by the first count, so that it is in the process that serves, not in its parent."""
    global _thread
    with _starting:
        if _thread is None:
            # No daemon, as the thread that starts it may be: Python waits for it at the end.
            _thread = threading.Thread(target=_flush_until_the_end, name="usage", daemon=False)
            _thread.start()


def _flush_until_the_end() -> None:
    main = threading.main_thread()  # the first to end
    while main.is_alive():
        main.join(FLUSH_SECONDS)
        try:
            close_old_connections()
            flush()
        except Exception as error:
            log.warning("usage_not_written", error=type(error).__name__)
    connection.close()


def _write(counts: Counts) -> None:
    by_span = _by_span(counts)
    with transaction.atomic():
        for nobody in (False, True):
            mine = "api_key_id IS NULL" if nobody else "api_key_id IS NOT NULL"
            whose = [] if nobody else ["api_key"]
            add_up(
                ApiUsage,
                _of(by_span.items(), nobody=nobody, at=2),
                by=["span", "at", *whose, "surface", "took"],
                sums=["requests", "client_errors", "server_errors", "limit_hits"],
                only=mine,
            )
            add_up(
                ApiAddress,
                _of(((key, [n]) for key, n in counts.addresses.items()), nobody=nobody, at=1),
                by=["at", *whose, "address"],
                sums=["requests"],
                only=mine,
            )
        _note_uses(counts)
        # Every process adds to the same few rows, so they are locked last, and for the shortest.
        counts.tallies.write()


def _note_uses(counts: Counts) -> None:
    """Have what is unlike a key marked, key by key in one order for every process."""
    requests: Counter[tuple[UUID, datetime]] = Counter()
    addresses: dict[tuple[UUID, datetime], set[str]] = defaultdict(set)
    for (at, key_id, *_), sums in counts.cells.items():
        if key_id:
            requests[key_id, begin_of(at, Span.HOUR)] += sums[0]
    for at, key_id, address in counts.addresses:
        if key_id:
            addresses[key_id, begin_of(at, Span.HOUR)].add(address)
    for (key_id, hour), count in sorted(requests.items()):
        note_use(key_id, hour=hour, requests=count, addresses=addresses[key_id, hour])


def _by_span(counts: Counts) -> dict[tuple[Any, ...], list[int]]:
    summed: dict[tuple[Any, ...], list[int]] = {}
    for (at, *rest), sums in counts.cells.items():
        for span in Span:
            key = (span.value, begin_of(at, span), *rest)
            so_far = summed.get(key, [0, 0, 0, 0])
            summed[key] = [a + b for a, b in zip(so_far, sums, strict=True)]
    return summed


def _of(
    rows: Iterable[tuple[tuple[Any, ...], list[int]]], *, nobody: bool, at: int
) -> dict[tuple[Any, ...], list[int]]:
    """The rows of nobody's or of somebody's requests; the key's id stands in place `at`."""
    if nobody:
        return {(*key[:at], *key[at + 1 :]): sums for key, sums in rows if key[at] is None}
    return {key: sums for key, sums in rows if key[at] is not None}
