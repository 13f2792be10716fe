"""The production shape: web, worker and beat on PostgreSQL and Redis, or RabbitMQ."""

import re
import socket

from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver


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


def _assert_a_call_goes_through(demo: Demo, receiver: Receiver) -> None:
    secret = demo.subscribe(receiver.url)
    call_id = demo.place("+14155550123")

    assert demo.wait_for_end([call_id])[call_id]["status"] == "completed"
    received = receiver.wait_for(2)
    assert_told_once(received, call_id, ["call.started", "call.completed"])
    for request in received:
        request.verify(secret)
