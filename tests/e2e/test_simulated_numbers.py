"""The simulated carrier's numbers: what the last four digits promise is what happens."""

from datetime import datetime
from typing import Any

from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver

ANSWERED = ["call.started", "call.completed"]
UNANSWERED = ["call.failed"]
SILENT = "+14155550105"
# number: status, reason, asks of the carrier, events
PROMISED = {
    "+14155550101": ("busy", None, 1, UNANSWERED),
    "+14155550102": ("no_answer", None, 1, UNANSWERED),
    "+14155550103": ("voicemail", None, 1, ANSWERED),
    "+14155550104": ("failed", "rejected", 1, UNANSWERED),
    SILENT: ("failed", "carrier_silent", 1, UNANSWERED),
    "+14155550106": ("completed", None, 1, ANSWERED),
    "+14155550107": ("completed", None, 2, ANSWERED),
    "+14155550108": ("completed", None, 1, ANSWERED),
    "+14155550123": ("completed", None, 1, ANSWERED),
}


def test_every_number_ends_as_promised(product: Product, demo: Demo, receiver: Receiver) -> None:
    demo.subscribe(receiver.url)

    ids = {number: demo.place(number, ringTimeout=5) for number in PROMISED}

    ended = demo.wait_for_end(list(ids.values()))
    receiver.wait_for(sum(len(promise[3]) for promise in PROMISED.values()))
    asks = {str(number): count for number, count in product.rows(DIALS)}
    for number, (status, reason, times, events) in PROMISED.items():
        call = ended[ids[number]]
        assert (number, call["status"], call["reason"]) == (number, status, reason)
        assert (number, asks[number]) == (number, times)
        assert_told_once(receiver.requests, call["id"], events)
        assert number == SILENT or _seconds(call) < 10
    assert product.rows("SELECT count(*) FROM calls_dial") == [(len(PROMISED),)]


def test_requests_that_the_api_itself_refuses_leave_no_call(product: Product, demo: Demo) -> None:
    broken, poor = demo.order("+14155550109"), demo.order("+14155550110")

    assert (broken.status_code, broken.json()["error"]["code"]) == (500, "internal_error")
    assert (poor.status_code, poor.json()["error"]["code"]) == (402, "insufficient_credits")
    assert product.rows("SELECT count(*) FROM calls_call") == [(0,)]


def test_calls_placed_at_once_all_end(demo: Demo, receiver: Receiver) -> None:
    demo.subscribe(receiver.url)

    ids = [demo.place(f"+1415555{2000 + n}") for n in range(40)]

    assert {call["status"] for call in demo.wait_for_end(ids).values()} == {"completed"}
    wait_until(lambda: len(receiver.requests) >= 80, what="80 webhooks")
    for call_id in ids:
        assert_told_once(receiver.requests, call_id, ANSWERED)


def _seconds(call: Any) -> float:
    created, ended = (datetime.fromisoformat(call[name]) for name in ("createdAt", "endedAt"))
    return (ended - created).total_seconds()


DIALS = """
    SELECT c.to_number, d.asks FROM calls_dial d JOIN calls_call c ON c.id = d.call_id
"""
