"""A drain refills as jobs end, looks again when told to, and survives an error."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from core.drain import Drain

# A run looks after its thread's connection, which an earlier test may have left open.
pytestmark = pytest.mark.django_db


class Sleeping(Drain[float, float]):
    """Each job sleeps for as many seconds as it says."""

    name = "test.sleeping"
    slots = 2

    def __init__(self, *jobs: float) -> None:
        super().__init__()
        self.due = deque(jobs)
        self.later: datetime | None = None
        self.done: list[float] = []
        self.done_at_start: list[list[float]] = []
        self.writings = 0
        self.claims = 0
        self.broken = False
        self.urgent = True

    def claim(self, free: int) -> list[float]:
        self.claims += 1
        if self.later and timezone.now() >= self.later:
            self.later = None
            self.due.append(0.0)
        return [self.due.popleft() for _ in range(min(free, len(self.due)))]

    def start(self, jobs: Sequence[float], done: Callable[[float], None]) -> None:
        self.done_at_start.append(list(self.done))
        for job in jobs:
            threading.Timer(job, done, [job]).start()

    def record(self, results: Sequence[float]) -> None:
        if self.broken:
            raise ConnectionError
        self.done += results
        self.writings += 1

    def is_urgent(self, results: Sequence[float]) -> bool:
        return self.urgent

    def next_due(self) -> datetime | None:
        return timezone.now() if self.due else self.later


def test_nothing_waits_for_the_slowest() -> None:
    drain = Sleeping(0.6, 0.05, 0.06, 0.07, 0.08)
    drain.run(linger=0)
    assert drain.done == [0.05, 0.06, 0.07, 0.08, 0.6]


@pytest.mark.parametrize(
    ("urgent", "written"), [(True, [[], [0.01], [0.01, 0.02]]), (False, [[], [], [0.01]])]
)
def test_what_is_not_urgent_is_written_while_the_next_jobs_run(
    urgent: bool, written: list[list[float]]
) -> None:
    drain = Sleeping(0.01, 0.02, 0.03)
    drain.slots, drain.urgent = 1, urgent
    drain.run(linger=0)
    assert drain.done_at_start == written
    assert drain.done == [0.01, 0.02, 0.03]


def test_what_the_writing_makes_due_is_claimed() -> None:
    class Following(Sleeping):
        def record(self, results: Sequence[float]) -> None:
            super().record(results)
            self.due.extend([0.02] if results == [0.01] else [])

    drain = Following(0.01)
    drain.urgent = False
    drain.run(linger=0)
    assert drain.done == [0.01, 0.02]


def test_results_of_one_moment_are_written_together() -> None:
    drain = Sleeping(*[0.05] * 20)
    drain.slots, drain.gather_seconds = 20, 5.0
    began = time.monotonic()
    drain.run(linger=0)
    assert time.monotonic() - began < 2, "the last one under way ends the gathering"
    assert (len(drain.done), drain.writings) == (20, 1)


def test_it_waits_to_the_moment_for_what_is_due_soon() -> None:
    drain = Sleeping()
    drain.later = timezone.now() + timedelta(seconds=0.4)
    began = time.monotonic()
    drain.run(linger=1)
    assert drain.done == [0.0]
    assert 0.4 <= time.monotonic() - began < 0.8


def test_what_is_due_later_is_left_to_the_sweep() -> None:
    drain = Sleeping()
    drain.later = timezone.now() + timedelta(seconds=30)
    drain.run(linger=1)
    assert drain.done == []


def test_a_second_run_makes_the_first_look_again() -> None:
    drain = Sleeping(0.5)
    first = threading.Thread(target=drain.run, kwargs={"linger": 0})
    first.start()
    time.sleep(0.1)
    drain.due.append(0.05)
    began = time.monotonic()
    drain.run(linger=0)
    assert time.monotonic() - began < 0.05, "the second run leaves the work to the first"
    first.join()
    assert drain.done == [0.05, 0.5]


def test_no_look_is_lost_while_a_run_ends() -> None:
    drain = Sleeping()
    threads = [threading.Thread(target=drain.run, kwargs={"linger": 0}) for _ in range(50)]
    for number, thread in enumerate(threads):
        drain.due.append(number / 1e6)
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drain.done) == [number / 1e6 for number in range(50)]


def test_a_claim_that_fails_loses_no_answer_under_way() -> None:
    class Failing(Sleeping):
        def claim(self, free: int) -> list[float]:
            if self.claims:
                raise ConnectionError
            return super().claim(free)

    drain = Failing(0.1, 0.4)
    with pytest.raises(ConnectionError):
        drain.run(linger=0)
    assert drain.done == [0.1, 0.4]


def test_results_are_written_when_the_database_is_back() -> None:
    drain = Sleeping(0.0, 0.3)
    drain.broken = True
    threading.Timer(0.8, setattr, [drain, "broken", False]).start()
    with pytest.raises(ConnectionError):
        drain.run(linger=0)
    assert drain.done == [0.0, 0.3]


def test_an_error_ends_the_run_and_spoils_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.drain.SAVE_SECONDS", 0.1)
    drain = Sleeping(0.0, 0.3)
    drain.broken = True
    with pytest.raises(ConnectionError):
        drain.run(linger=0)
    drain.broken = False
    drain.due.append(0.05)
    drain.run(linger=0)
    time.sleep(0.4)
    assert drain.done == [0.05]
