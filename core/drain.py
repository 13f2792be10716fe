"""A drain does one kind of due work until none is left: claim, start, record, refill.

Jobs run side by side and the free slots are refilled as each one ends, so nothing waits for the
slowest. All SQL happens in the thread that calls `run`; `start` hands a job to threads or to an
event loop that know nothing of the database.
"""

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Generic, TypeVar

import structlog
from django.db import close_old_connections, connection
from django.utils import timezone

from core.wake import forget_wake

log = structlog.get_logger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

# The sweep looks every 5 s; what is due before its next look is waited for here, to the moment.
LINGER_SECONDS = 6.0
# How often a busy drain has its database connection looked at.
FRESH_SECONDS = 30.0
# Due, but not to be had (another worker is at it, or its share is used up): look again after this.
BLOCKED_SECONDS = 0.2
STOP_GRACE_SECONDS = 5.0
# How long a run that failed tries to write down what was under way, and how often.
SAVE_SECONDS = 30.0
SAVE_AGAIN_SECONDS = 1.0

_stopped_at = float("inf")
_drains: list["Drain[Any, Any]"] = []


class _Look:
    """In the inbox: rows may have come due."""


_LOOK = _Look()


class _Inbox(Generic[Result]):
    """What ended, and looks. Its reader is woken for the first and once all has come that is under
    way, not for each between: two threads that take turns at every result do little else."""

    def __init__(self) -> None:
        self._items: deque[Result | _Look] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._enough = 1

    def put(self, item: Result | _Look) -> None:
        self._items.append(item)
        if len(self._items) >= self._enough:
            self._bell.put(None)

    def take(self, seconds: float, *, most: int, gather_seconds: float) -> list[Result]:
        """Every result that is there, after at most `seconds` for the first item, and then
        `gather_seconds` for the others that are under way: `most` in all."""
        self._wait(1, seconds)
        self._wait(most, gather_seconds)
        self._enough = 1
        items = [self._items.popleft() for _ in range(len(self._items))]
        return [item for item in items if not isinstance(item, _Look)]

    def _wait(self, enough: int, seconds: float) -> None:
        self._enough = enough  # before the look, or what comes after it rings no bell
        until = time.monotonic() + seconds
        with suppress(queue.Empty):
            while len(self._items) < enough:
                self._bell.get(timeout=max(until - time.monotonic(), 0))


class Drain(ABC, Generic[Job, Result]):
    """One runs per process and name; a second `run` makes the first look again."""

    name: str
    slots: int
    # How long a first result waits for others that can be written down with it.
    gather_seconds = 0.0

    def __init__(self) -> None:
        self._inbox: _Inbox[Result] = _Inbox()
        self._in_flight = 0
        self._unwritten: list[Result] = []
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

    def ended(self, results: Sequence[Result]) -> None:
        """Told of results before the next claim, and before they are recorded."""

    def is_urgent(self, results: Sequence[Result]) -> bool:
        """Whether the next claim depends on their being written down; else they are written while
        the jobs that it brings are under way."""
        return True

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
        self._inbox = _Inbox()
        self._in_flight, self._unwritten = 0, []
        self.begin()
        try:
            self._work(linger)
        except Exception:
            self._save()
            raise

    def _work(self, linger: float) -> None:
        fresh_until = 0.0
        while True:
            self._wanted.clear()
            if time.monotonic() >= fresh_until:
                _refresh_connection()
                fresh_until = time.monotonic() + FRESH_SECONDS
            claimed = self._refill(self.slots - self._in_flight)
            self._in_flight += claimed
            if self._unwritten:
                self._write()
                if not claimed:
                    continue  # what was written may have made room
            wait = self._seconds_to_wait(claimed=claimed, full=self._in_flight >= self.slots)
            if not self._in_flight and (wait > linger or _is_stopping()):
                return
            if wait <= 0 and _is_stopping():
                return  # what still runs is left to its lease
            results = self._take(min(wait, LINGER_SECONDS))
            self.ended(results)
            if results and self.is_urgent(results):
                self._write()

    def _take(self, seconds: float) -> list[Result]:
        results = self._inbox.take(
            seconds, most=self._in_flight, gather_seconds=self.gather_seconds
        )
        self._in_flight -= len(results)
        self._unwritten += results
        return results

    def _write(self) -> None:
        self.record(self._unwritten)
        self._unwritten = []

    def _save(self) -> None:
        """An error ends this run, a lost database perhaps: what was under way is written down all
        the same if it can be. What a carrier answered must not be asked of it twice."""
        until = time.monotonic() + (STOP_GRACE_SECONDS if _is_stopping() else SAVE_SECONDS)
        while (self._in_flight or self._unwritten) and time.monotonic() < until:
            self.ended(self._take(SAVE_AGAIN_SECONDS))
            try:
                _refresh_connection()
                self._write()
            except Exception:
                log.exception("results_not_saved", drain=self.name, results=len(self._unwritten))
                time.sleep(SAVE_AGAIN_SECONDS)

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
