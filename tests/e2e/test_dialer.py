"""A voice engine that a test plays, and a booted server at its public address."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.calls.dialer.engine import SECRET, Asked, Engine, Says, an_engine, signed
from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver

CUT, LONG, RINGING = "+14155550123", "+14155550124", "+14155550125"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with an_engine() as engine:
        yield engine
        ordered = [asked.json["to_number"] for asked in engine.orders]
        assert sorted(ordered) == sorted(set(ordered))


@pytest.fixture
def demo(public: Product, engine: Engine) -> Demo:
    public.environment |= {"DIALER_URL": engine.url, "DIALER_SECRET": SECRET}
    public.boot()
    demo = public.make_demo()
    demo.use("dialer")
    return demo


def ordered(engine: Engine, number: str) -> Any:
    """The order to call `number`, once it has come."""

    def found() -> Any:
        return next((one.json for one in engine.orders if one.json["to_number"] == number), None)

    return wait_until(found, what=f"{number} is ordered")


def tell(order: Any, status: str) -> int:
    """Report where the call stands; the status of the answer."""
    said = {"token": order["token"], "status": status, "at": datetime.now(UTC).isoformat()}
    body = json.dumps(said).encode()
    return requests.post(
        order["status_url"], data=body, headers=signed(body), timeout=30
    ).status_code


def test_an_order_whose_answer_was_cut_is_given_once_and_told_to_its_end(
    public: Product, demo: Demo, engine: Engine, receiver: Receiver
) -> None:
    demo.subscribe(receiver.url)
    engine.on_order = lambda asked: Says(is_cut=True)
    call_id = demo.place(CUT, key="live")
    order = ordered(engine, CUT)
    assert order["status_url"].startswith(f"http://localhost:{public.port}/carriers/dialer/")

    for status in ("ringing", "answered", "completed"):
        assert tell(order, status) == 200

    call = demo.wait_for_end([call_id])[call_id]
    assert (call["status"], call["reason"], call["cost"]) == ("completed", None, "1")
    receiver.wait_for(2)
    assert_told_once(receiver.requests, call_id, ["call.started", "call.completed"])
    assert public.rows("SELECT asks FROM calls_dial") == [(1,)]


def test_a_call_is_hung_up_when_it_is_canceled_or_too_long(demo: Demo, engine: Engine) -> None:
    engine.on_look = lambda asked: _reports(engine, asked)
    too_long = demo.place(LONG, key="live", maxDuration=10)
    assert tell(ordered(engine, LONG), "answered") == 200
    canceled = demo.place(RINGING, key="live")
    ringing = ordered(engine, RINGING)
    assert tell(ringing, "ringing") == 200
    demo.wait_for(canceled, "ringing")

    demo.cancel(canceled)

    ended = demo.wait_for_end([canceled, too_long])
    assert _end(ended[canceled]) == ("canceled", "on_request", None)
    assert _end(ended[too_long]) == ("completed", "max_duration", 10)
    hung_up = [asked.path.rsplit("/", 1)[1] for asked in engine.of("DELETE")]
    assert sorted(hung_up) == sorted(asked.json["dial_id"] for asked in engine.orders)
    assert tell(ringing, "no_answer") == 200
    assert _end(demo.call(canceled)) == ("canceled", "on_request", None)


def _reports(engine: Engine, asked: Asked) -> Says:
    """What it says of a call when it is asked: no more than it has told."""
    numbers = {one.json["dial_id"]: one.json["to_number"] for one in engine.orders}
    status = "answered" if numbers[asked.path.rsplit("/", 1)[1]] == LONG else "ringing"
    return Says(200, {"reports": [{"status": status, "at": datetime.now(UTC).isoformat()}]})


def _end(call: Any) -> tuple[str, str | None, int | None]:
    return call["status"], call["reason"], call["duration"]
