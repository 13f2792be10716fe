"""The production shape: web, worker and beat on PostgreSQL and Redis, or RabbitMQ."""

import re
import socket
from itertools import pairwise
from pathlib import Path

from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver

HEAP_BYTES = 64 * 1024**2


def test_web_on_a_taken_port_says_so_in_a_sentence(apart: Product) -> None:
    with socket.create_server(("127.0.0.1", apart.port)):
        refused = apart.start("web")
        assert refused.exit_code() == 1

    sentence = f"Cannot listen on 127.0.0.1:{apart.port}: Address already in use. "
    assert refused.output == f"{sentence}Set PORT to another one\n"


def test_web_without_its_database_says_so_in_a_sentence(apart: Product) -> None:
    refused = apart.start("web", DATABASE_URL="postgres://nobody@127.0.0.1:1/outdial")
    assert refused.exit_code() == 1

    assert refused.output.startswith("The database does not answer: ")
    assert refused.output.count("\n") == 1


def test_call_is_placed_and_told_of(apart: Product, receiver: Receiver) -> None:
    apart.environment["WEB_WORKERS"] = "2"
    early = apart.start("worker")
    wait_until(lambda: "waits_for_migrations" in early.output, what="it waits for its tables")

    apart.boot()

    assert "Traceback" not in early.output
    _assert_a_call_goes_through(apart.make_demo(), receiver)


def test_call_is_placed_and_told_of_with_rabbitmq(
    apart: Product, receiver: Receiver, rabbitmq: dict[str, str]
) -> None:
    apart.environment |= rabbitmq

    apart.boot()

    _assert_a_call_goes_through(apart.make_demo(), receiver)


def test_each_web_process_keeps_to_a_core_as_far_as_there_are_some_and_it_may(
    apart: Product,
) -> None:
    pinned = apart.start("web", WEB_WORKERS="2")
    apart.wait_until_alive()
    # Others may have claimed those of this machine.
    wait_until(lambda: len(re.findall("keeps_to_(no_)?core", pinned.output)) == 2, what="they say")
    pinned.ask_to_stop()
    pinned.exit_code()

    free = apart.start("web", WEB_PINNED="false")
    apart.wait_until_alive()
    assert "keeps_to_" not in free.output


def test_threads_of_web_and_worker_share_a_heap(apart: Product, receiver: Receiver) -> None:
    apart.boot()
    _assert_a_call_goes_through(apart.make_demo(), receiver)

    web, worker, _ = (process.popen.pid for process in apart.processes)
    served_by = Path(f"/proc/{web}/task/{web}/children").read_text().split()
    assert served_by
    for pid in (*served_by, worker):
        assert _heaps_of_threads(Path(f"/proc/{pid}/maps").read_text()) == 0


def _heaps_of_threads(maps: str) -> int:
    """glibc maps 64 MB for each, at a multiple of it, and makes its first part writable."""
    found = 0
    areas = [line.split() for line in maps.splitlines()]
    for (span, mode, *_), (next_span, next_mode, *_) in pairwise(areas):
        begin, end = (int(place, 16) for place in span.split("-"))
        next_begin, next_end = (int(place, 16) for place in next_span.split("-"))
        is_whole = end == next_begin and next_end == begin + HEAP_BYTES
        found += begin % HEAP_BYTES == 0 and mode == "rw-p" and next_mode == "---p" and is_whole
    return found


def _assert_a_call_goes_through(demo: Demo, receiver: Receiver) -> None:
    secret = demo.subscribe(receiver.url)
    call_id = demo.place("+14155550123")

    assert demo.wait_for_end([call_id])[call_id]["status"] == "completed"
    received = receiver.wait_for(2)
    assert_told_once(received, call_id, ["call.started", "call.completed"])
    for request in received:
        request.verify(secret)
