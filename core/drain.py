"""A drain does one kind of due work until none is left: claim, start, record, refill.

Jobs run side by side and the free slots are refilled as each one ends, so nothing waits for the
slowest. All SQL happens in the thread that calls `run`; `start` hands a job to threads or to an
event loop that know nothing of the database.
"""

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import close_old_connections, connection
from django.utils import timezone

from core.wake import forget_wake

Job = TypeVar("Job")
Result = TypeVar("Result")

# The sweep looks every 5 s; what is due before its next look is waited for here, to the moment.
LINGER_SECONDS = 6.0
# How often a busy drain has its database connection looked at.
FRESH_SECONDS = 30.0
# Due, but not to be had (another worker is at it, or its share is used up): look again after this.
BLOCKED_SECONDS = 0.2
STOP_GRACE_SECONDS = 5.0

_stopped_at = float("inf")
_drains: list["Drain[Any, Any]"] = []


class _Look:
    """In the inbox: rows may have come due."""


_LOOK = _Look()


class Drain(ABC, Generic[Job, Result]):
    """One runs per process and name; a second `run` makes the first look again."""

    name: str
    slots: int
    # How long a first result waits for others that can be written down with it.
    gather_seconds = 0.0

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Result | _Look] = queue.SimpleQueue()
        self._running = threading.Lock()
        self._wanted = threading.Event()
        _drains.append(self)

    @abstractmethod
    def claim(self, free: int) -> Sequence[Job]:
        """Up to `free` due jobs, each leased: if this process dies they come due again."""

    @abstractmethod
    def start(self, jobs: Sequence[Job], done: Callable[[Result], None]) -> None:
        """Begin the jobs elsewhere; exactly one call of `done`, from any thread, ends each."""

    @abstractmethod
    def record(self, results: Sequence[Result]) -> None:
        """Write the results down."""

    @abstractmethod
    def next_due(self) -> datetime | None:
        """When the next job comes due; None when there is none."""

    def begin(self) -> None:
        """A run starts with nothing in flight: forget what an earlier one may have left behind."""

    def run(self, *, linger: float = LINGER_SECONDS) -> None:
        """Work until nothing is due, nor comes due within `linger` seconds."""
        self._wanted.set()
        self.look()
        # Who asked for a look while the running drain was leaving relies on it to come back.
        while self._wanted.is_set() and self._running.acquire(blocking=False):
            try:
                self._drain(linger)
            finally:
                self._running.release()

    def look(self) -> None:
        """Make the running drain, if any, look at the rows, and at whether to stop."""
        self._inbox.put(_LOOK)

    def _drain(self, linger: float) -> None:
        # A new inbox: results of a run that an error cut short must not count in this one.
        self._inbox = queue.SimpleQueue()
        self.begin()
        fresh_until, in_flight = 0.0, 0
        while True:
            self._wanted.clear()
            if time.monotonic() >= fresh_until:
                _refresh_connection()
                fresh_until = time.monotonic() + FRESH_SECONDS
            claimed = self._refill(self.slots - in_flight)
            in_flight += claimed
            wait = self._seconds_to_wait(claimed=claimed, full=in_flight >= self.slots)
            if not in_flight and (wait > linger or _is_stopping()):
                return
            if wait <= 0 and _is_stopping():
                return  # what still runs is left to its lease
            results = self._receive(min(wait, LINGER_SECONDS), most=in_flight)
            if results:
                self.record(results)
            in_flight -= len(results)

    def _refill(self, free: int) -> int:
        if free <= 0 or _is_stopping():
            return 0
        forget_wake(self.name)
        jobs = self.claim(free)
        if jobs:
            self.start(jobs, self._inbox.put)
        return len(jobs)

    def _seconds_to_wait(self, *, claimed: int, full: bool) -> float:
        if _is_stopping():
            return _stopped_at + STOP_GRACE_SECONDS - time.monotonic()
        if full:
            return LINGER_SECONDS
        if claimed:
            return BLOCKED_SECONDS  # there may be more; it is asked for when this is due
        due = self.next_due()
        if due is None:
            return float("inf")
        seconds = (due - timezone.now()).total_seconds()
        return seconds if seconds > 0 else BLOCKED_SECONDS

    def _receive(self, seconds: float, *, most: int) -> list[Result]:
        """Everything in the inbox, after at most `seconds` for the first of it."""
        results: list[Result] = []
        try:
            item = self._inbox.get(timeout=seconds)
            until = time.monotonic() + self.gather_seconds
            while True:
                if not isinstance(item, _Look):
                    results.append(item)
                left = until - time.monotonic() if len(results) < most else 0
                item = (
                    self._inbox.get(timeout=max(left, 0)) if left > 0 else self._inbox.get_nowait()
                )
        except queue.Empty:
            return results


def _refresh_connection() -> None:
    """Close a connection that broke or grew old; the next query opens another."""
    if not connection.in_atomic_block:
        close_old_connections()


def _is_stopping() -> bool:
    return time.monotonic() >= _stopped_at


def stop_drains() -> None:
    """Let running drains record what is in flight and leave; the rest waits for its lease."""
    global _stopped_at
    _stopped_at = time.monotonic()
    for drain in _drains:
        drain.look()
