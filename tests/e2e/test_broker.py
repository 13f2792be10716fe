"""The broker only wakes: without it, or after it forgot everything, calls go on."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.e2e.product import Demo, Product, empty_redis, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver


def test_redis_that_forgets_everything_loses_nothing(apart: Product, receiver: Receiver) -> None:
    apart.boot()
    demo = apart.make_demo()
    demo.subscribe(receiver.url)
    ids = []
    for n in range(24):
        ids.append(demo.place(f"+1415555{2600 + n}"))
        if n % 4 == 0:
            empty_redis(apart.environment["REDIS_URL"])
    for _ in range(4):
        empty_redis(apart.environment["REDIS_URL"])
        time.sleep(0.7)

    ended = demo.wait_for_end(ids)

    assert {call["status"] for call in ended.values()} == {"completed"}
    receiver.wait_for(48)
    for call_id in ids:
        assert_told_once(receiver.requests, call_id, ["call.started", "call.completed"])
    apart.wait_until_ready()


def test_calls_placed_while_nobody_works_wait_for_a_worker(apart: Product) -> None:
    apart.start("web")
    apart.wait_until_alive()
    demo = apart.make_demo()
    ids = [demo.place(f"+1415555{2700 + n}") for n in range(5)]
    empty_redis(apart.environment["REDIS_URL"])

    apart.start("worker")
    apart.start("beat")

    assert {call["status"] for call in demo.wait_for_end(ids).values()} == {"completed"}


@pytest.fixture(params=["refuses connections", "hangs"])
def broken_redis(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a Redis that is not there, or that takes connections and says nothing."""
    if request.param == "refuses connections":
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))  # and does not listen, nor can anybody else
            yield f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        return
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_web_takes_calls_without_redis(apart: Product, broken_redis: str) -> None:
    apart.start("web", REDIS_URL=broken_redis)
    apart.wait_until_alive()
    demo = apart.make_demo()

    for number in ("+14155552800", "+14155552801"):
        _place_quickly(demo, number)
    time.sleep(1.5)  # until it tries the broker again
    _place_quickly(demo, "+14155552802")
    assert not apart.is_answering("/readyz")

    apart.start("worker")
    apart.start("beat")
    wait_until(
        lambda: apart.rows("SELECT count(*) FROM calls_call WHERE status = 'completed'") == [(3,)],
        what="all three calls are completed",
    )
    assert apart.rows("SELECT count(*) FROM calls_dial") == [(3,)]


def _place_quickly(demo: Demo, number: str) -> None:
    began = time.monotonic()
    demo.place(number)
    assert time.monotonic() - began < 2
