"""A beat and a worker whose minutes pass as a test turns the clock, and several at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import time_machine
from django.db import connections
from django.utils import timezone

from operations import usage
from operations.models import Incident, Notice
from operations.rollups import roll_up
from operations.tasks import alert

MINUTE = timedelta(minutes=1)


@dataclass
class Watch:
    clock: time_machine.Traveller

    def look(self) -> None:
        """What is done within a minute: figures are written, rules checked, notices sent."""
        usage.flush()
        assert roll_up()
        alert()

    def wait(self, *, minutes: int = 1) -> None:
        for _ in range(minutes):
            self.clock.shift(MINUTE)
            self.look()

    def wait_until_open(self, kind: str) -> int:
        """How many minutes it took until an incident of the kind was open."""
        for waited in range(30):
            if Incident.objects.open().filter(rule=kind).exists():
                return waited
            self.wait()
        raise AssertionError(f"{kind} is not open at {timezone.now()}")

    def wait_until_over(self, kind: str) -> None:
        for _ in range(20):
            if not Incident.objects.open().filter(rule=kind).exists():
                return
            self.clock.shift(5 * MINUTE)
            self.look()
        raise AssertionError(f"{kind} is not over at {timezone.now()}")


def told(channel: str = "email") -> list[tuple[str, str]]:
    """What was told over a channel, and what became of it, in order."""
    notices = Notice.objects.filter(channel=channel).order_by("created_at", "id")
    return list(notices.values_list("tells", "status"))


def at_once(work: Callable[[], object], *, times: int) -> None:
    """In so many threads, each with a connection of its own, that begin together."""
    together = threading.Barrier(times)

    def do() -> None:
        together.wait()
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as threads:
        for done in [threads.submit(do) for _ in range(times)]:
            done.result()
