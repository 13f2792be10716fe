"""Text messages through the product as it runs, also where it is killed."""

import time
from typing import Any

import pytest

from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.switchboard import Switchboard
from tests.receiver import Receiver

ENDS = ("delivered", "failed")
EVENTS = ["sms.sent", "sms.delivered", "sms.failed"]


def test_message_arrives_and_is_told_of(demo: Demo, receiver: Receiver) -> None:
    demo.test.post("/api/v1/webhooks", {"url": receiver.url, "events": EVENTS})

    message_id = send(demo, "+14155550123", key="test")

    ended = wait_for_end(demo, message_id)
    assert (ended["status"], ended["cost"]) == ("delivered", "0")
    receiver.wait_for(2)
    told = {received.json["event"]: received.json["data"] for received in receiver.requests}
    assert told["sms.sent"]["status"] == "sent"
    assert told["sms.delivered"] == {
        "messageId": ended.pop("id"),
        **ended,
        "sequence": 2,
    }


@pytest.mark.timeout(240)
def test_worker_killed_again_and_again_sends_nothing_twice(
    product: Product, switchboard: Switchboard, recorded: Demo
) -> None:
    numbers = [f"+1415555{2600 + n}" for n in range(24)]
    switchboard.stories |= {number: [(0.3, "sent"), (0.8, "delivered")] for number in numbers}
    switchboard.slow |= dict.fromkeys(numbers[::2], 0.3)
    switchboard.cut |= set(numbers[::5])
    ids: dict[str, str] = {}
    for first, moment in ((0, 0.0), (6, 0.03), (12, 0.1), (18, 0.5)):
        ids |= {number: send(recorded, number) for number in numbers[first : first + 6]}
        time.sleep(moment)  # so that each time it is caught at something else
        product.worker.kill()
        product.restart_worker()

    ended = {number: wait_for_end(recorded, message_id) for number, message_id in ids.items()}

    for number, message in ended.items():
        # Killed between the commit and the request, a worker leaves a message that never went out.
        is_sent = number in switchboard.numbers
        expected = ("delivered", None, "0.5") if is_sent else ("failed", "carrier_unknown", "0")
        assert (number, message["status"], message["reason"], message["cost"]) == (
            number,
            *expected,
        )
    assert not switchboard.dialled_twice
    told = product.rows("SELECT subject, type, count(*) FROM webhooks_event GROUP BY 1, 2")
    assert {count for _, _, count in told} == {1}
    assert {subject for subject, type, _ in told if type != "sms.sent"} == set(ids.values())
    reserved = product.rows("SELECT reserved FROM agents_account")
    assert {float(amount) for (amount,) in reserved} == {0.0}


def send(demo: Demo, number: str, *, key: str = "live") -> str:
    client = demo.live if key == "live" else demo.test
    body = {"agentId": demo.agent_id, "toNumber": number, "message": "Hello"}
    answer = client.post("/api/v1/sms/send", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["messageId"])


def wait_for_end(demo: Demo, message_id: str) -> Any:
    def ended() -> Any:
        message = demo.test.get(f"/api/v1/sms/{message_id}").json()
        return message if message["status"] in ENDS else None

    return wait_until(ended, what=f"{message_id} has ended", seconds=120)
