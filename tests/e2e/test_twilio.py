"""Twilio, as its stand-in plays it, and a booted server at its public address."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.calls.twilio.standin import SID, TOKEN, Answer, Row, StandIn, standing_in
from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver

ANSWERED = ["call.started", "call.completed"]


@pytest.fixture
def twilio() -> Iterator[StandIn]:
    with standing_in() as twilio:
        yield twilio
        assert twilio.violations == []
        assert len(twilio.posts) == len(twilio.calls) + len(twilio.messages)


@pytest.fixture
def demo(public: Product, twilio: StandIn) -> Demo:
    public.environment |= {
        "TWILIO_ACCOUNT_SID": SID,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_BASE_URL": twilio.url,
    }
    public.boot()
    demo = public.make_demo()
    demo.use("twilio")
    return demo


def dialled(twilio: StandIn, number: str) -> Row:
    """The call to `number`, once it has been ordered."""

    def found() -> Row | None:
        return next((call for call in twilio.calls if call["To"] == number), None)

    row: Row = wait_until(found, what=f"{number} is ordered")
    return row


def test_signed_callbacks_carry_calls_to_their_end(
    public: Product, demo: Demo, twilio: StandIn, receiver: Receiver
) -> None:
    demo.subscribe(receiver.url)
    ids = {}
    for number, is_cut in (("+14155550123", False), ("+14155550124", True)):
        # The second one is taken, and the connection cut before Twilio's answer.
        twilio.mischief = [Answer(status=201, is_taken=True, is_cut=is_cut)]
        ids[number] = demo.place(number, key="live")
        row = dialled(twilio, number)
        assert row["StatusCallback"].startswith(f"http://localhost:{public.port}/carriers/twilio/")
        for status in ("ringing", "in-progress"):
            assert twilio.tell(row, status) == 200
        demo.wait_for(ids[number], "in_progress")
        form = twilio.said(row, CallStatus="busy")
        assert twilio.post(row, row["StatusCallback"], form, token="guess") == 401
        assert twilio.tell_of_machine(row, "human") == 200
        assert twilio.tell(row, "completed", CallDuration="3") == 200

    for call_id, call in demo.wait_for_end(list(ids.values())).items():
        assert (call["status"], call["reason"], call["cost"]) == ("completed", None, "1")
        receiver.wait_for(4)
        assert_told_once(receiver.requests, call_id, ANSWERED)
    assert public.rows("SELECT asks FROM calls_dial") == [(1,), (1,)]


def test_a_call_is_hung_up_when_it_is_canceled_or_too_long(demo: Demo, twilio: StandIn) -> None:
    long, ringing = "+14155550123", "+14155550124"
    too_long = demo.place(long, key="live", maxDuration=10)
    assert twilio.tell(dialled(twilio, long), "in-progress") == 200
    canceled = demo.place(ringing, key="live")
    row = dialled(twilio, ringing)
    assert twilio.tell(row, "ringing") == 200
    demo.wait_for(canceled, "ringing")

    demo.cancel(canceled)

    ended = demo.wait_for_end([canceled, too_long])
    assert _end(ended[canceled]) == ("canceled", "on_request", None)
    assert _end(ended[too_long]) == ("completed", "max_duration", 10)
    assert [call.status for call in twilio.calls] == ["completed", "completed"]
    assert twilio.tell(row, "no-answer") == 200
    assert _end(demo.call(canceled)) == ("canceled", "on_request", None)


def test_a_message_is_sent_once_and_arrives(public: Product, demo: Demo, twilio: StandIn) -> None:
    twilio.mischief = [Answer(status=201, is_taken=True, is_cut=True)]
    body = {"agentId": demo.agent_id, "toNumber": "+14155550123", "message": "Hello"}
    message_id = demo.live.post("/api/v1/sms/send", body).json()["messageId"]
    wait_until(lambda: twilio.messages, what="it is sent")
    (row,) = twilio.messages

    assert twilio.tell_of_message(row, "sent") == 200
    row.status = "delivered"  # and the callback is lost

    def message() -> Any:
        return demo.live.get(f"/api/v1/sms/{message_id}").json()

    wait_until(lambda: message()["status"] == "delivered", what="its end is asked for")
    assert (message()["cost"], len(twilio.posts)) == ("0.5", 1)
    assert public.rows("SELECT count(*) FROM agents_account WHERE reserved <> 0") == [(0,)]


def _end(call: Any) -> tuple[str, str | None, int | None]:
    return call["status"], call["reason"], call["duration"]
