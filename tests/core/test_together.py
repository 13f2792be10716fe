"""What several threads want at the same moment is done by one of them for all."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.together import Together

PATIENCE_SECONDS = 20


class Desk:
    """Serves once it is open, and notes who came in which round."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.is_serving = threading.Event()
        self.is_open = threading.Event()
        self.fails_for: int | None = None

    def serve(self, items: Sequence[int]) -> bool:
        self.is_serving.set()
        assert self.is_open.wait(PATIENCE_SECONDS)
        self.rounds.append(list(items))
        if self.fails_for in items:
            raise LookupError(self.fails_for)
        return 13 not in items


@pytest.fixture
def desk() -> Desk:
    return Desk()


def queue_up(
    together: Together[int], desk: Desk, items: Sequence[int], pool: ThreadPoolExecutor
) -> list[Future[bool]]:
    """The first is served, the others wait for it, in this order."""
    waiting = [pool.submit(together.run, "group", items[0])]
    assert desk.is_serving.wait(PATIENCE_SECONDS)
    for place, item in enumerate(items[1:], start=1):
        waiting.append(pool.submit(together.run, "group", item))
        wait_for_line(together, place)
    return waiting


def wait_for_line(together: Together[int], length: int) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while len(together._lines["group"]) < length:
        assert time.monotonic() < ends
        time.sleep(0.001)


def test_who_waits_is_served_together_and_in_turn(desk: Desk) -> None:
    together = Together(desk.serve, most=3)
    with ThreadPoolExecutor(8) as pool:
        waiting = queue_up(together, desk, [0, 1, 2, 3, 4], pool)
        desk.is_open.set()
        assert all(one.result(PATIENCE_SECONDS) for one in waiting)

    assert desk.rounds == [[0], [1, 2, 3], [4]]
    assert not together._lines


def test_who_comes_alone_is_served_at_once(desk: Desk) -> None:
    desk.is_open.set()
    together = Together(desk.serve, most=3)
    assert together.run("group", 1)
    assert together.run("group", 2)
    assert desk.rounds == [[1], [2]]


def test_one_group_does_not_wait_for_another(desk: Desk) -> None:
    together = Together[int](lambda items: 0 not in items or desk.serve(items), most=3)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(together.run, "slow", 0)
        assert desk.is_serving.wait(PATIENCE_SECONDS)
        assert pool.submit(together.run, "other", 1).result(PATIENCE_SECONDS)
        assert not slow.done()
        desk.is_open.set()
        assert slow.result(PATIENCE_SECONDS)


def test_what_was_not_done_is_heard_by_all_of_that_round_and_nobody_else(desk: Desk) -> None:
    together = Together(desk.serve, most=2)
    with ThreadPoolExecutor(8) as pool:
        waiting = queue_up(together, desk, [0, 1, 13, 3, 4], pool)
        desk.is_open.set()
        assert [one.result(PATIENCE_SECONDS) for one in waiting] == [True, False, False, True, True]


def test_a_failure_is_for_the_thread_that_served_and_the_line_moves_on(desk: Desk) -> None:
    desk.fails_for = 2
    together = Together(desk.serve, most=2)
    with ThreadPoolExecutor(8) as pool:
        waiting = queue_up(together, desk, [0, 1, 2, 3], pool)
        desk.is_open.set()
        failures = [one.exception(PATIENCE_SECONDS) for one in waiting]

    assert [type(one) for one in failures] == [type(None), LookupError, type(None), type(None)]
    assert [one.result() for one in waiting if not one.exception()] == [True, False, True]
    assert together.run("group", 5)
