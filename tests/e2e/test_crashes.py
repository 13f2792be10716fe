"""kill -9: nobody is dialled twice, every call ends, every event arrives."""

import time

import pytest

from tests.e2e.product import Demo, Product, wait_until
from tests.e2e.story import assert_told
from tests.e2e.switchboard import Switchboard
from tests.receiver import Received, Receiver, Reply

ANSWERED = ["call.started", "call.completed"]
STAGES = ["ringing", "in_progress", "ended", "told", "asked", "cut", "accepted"]
RINGING = [(0.0, "ringing")]
IN_PROGRESS = [(0.0, "ringing"), (0.2, "in_progress")]


@pytest.mark.timeout(240)
def test_worker_killed_with_calls_at_every_stage(
    product: Product, switchboard: Switchboard, recorded: Demo, receiver: Receiver
) -> None:
    receiver.reply = Dawdling(receiver)
    recorded.subscribe(receiver.url)
    numbers = {name: f"+1415555{2100 + n}" for n, name in enumerate(STAGES)}
    switchboard.slow[numbers["asked"]] = 5
    switchboard.cut.add(numbers["cut"])
    switchboard.stories[numbers["ringing"]] = list(RINGING)
    switchboard.stories[numbers["in_progress"]] = list(IN_PROGRESS)
    switchboard.stories[numbers["ended"]] = list(IN_PROGRESS)
    ids = {name: _place(recorded, numbers[name]) for name in ("ringing", "in_progress", "ended")}
    recorded.wait_for(ids["ringing"], "ringing")
    recorded.wait_for(ids["in_progress"], "in_progress")
    recorded.wait_for(ids["ended"], "in_progress")
    receiver.wait_for(2)
    ids["told"] = _place(recorded, numbers["told"])
    wait_until(lambda: "call.completed" in receiver.events, what="a webhook is being posted")
    ids |= {name: _place(recorded, numbers[name]) for name in ("asked", "cut")}
    wait_until(lambda: numbers["asked"] in switchboard.numbers, what="the carrier is being asked")
    ids["accepted"] = _place(recorded, numbers["accepted"])
    switchboard.tell(numbers["ended"], "completed")

    product.worker.kill()
    product.restart_worker()

    switchboard.tell(numbers["ringing"], "in_progress")
    for name in ("ringing", "in_progress"):
        switchboard.tell(numbers[name], "completed")
    ended = recorded.wait_for_end(list(ids.values()))
    assert {name: ended[call_id]["status"] for name, call_id in ids.items()} == dict.fromkeys(
        ids, "completed"
    )
    assert sorted(switchboard.numbers) == sorted(numbers.values())
    assert product.rows("SELECT count(*), count(DISTINCT call_id) FROM calls_dial") == [(7, 7)]
    # The webhook that was being posted comes again, once the dead worker's lease has run out.
    wait_until(
        lambda: product.rows(DELIVERIES) == [("delivered", 14)],
        what="every webhook is delivered",
        seconds=120,
    )
    for call_id in ids.values():
        assert_told(receiver.requests, call_id, ANSWERED)
    told = [one for one in receiver.requests if _is_of(one, "call.completed", ids["told"])]
    assert [one.body for one in told] == [told[0].body] * 2


@pytest.mark.timeout(240)
def test_worker_killed_again_and_again_dials_nobody_twice(
    product: Product, switchboard: Switchboard, recorded: Demo
) -> None:
    numbers = [f"+1415555{2200 + n}" for n in range(24)]
    switchboard.slow |= dict.fromkeys(numbers[::2], 0.3)
    ids: dict[str, str] = {}
    for first, moment in ((0, 0.0), (6, 0.03), (12, 0.1), (18, 0.5)):
        ids |= {number: _place(recorded, number) for number in numbers[first : first + 6]}
        time.sleep(moment)  # so that each time it is caught at something else
        product.worker.kill()
        product.restart_worker()

    ended = recorded.wait_for_end(list(ids.values()))

    for number, call_id in ids.items():
        call = ended[call_id]
        # Killed between the commit and the request, a worker leaves a dial that never went out.
        dialled = ("completed", None) if number in switchboard.numbers else UNKNOWN
        assert (number, call["status"], call["reason"]) == (number, *dialled)
    assert not switchboard.dialled_twice
    assert product.rows("SELECT count(*), count(DISTINCT call_id) FROM calls_dial") == [(24, 24)]
    events = product.rows("SELECT subject, type, count(*) FROM webhooks_event GROUP BY 1, 2")
    assert {count for _, _, count in events} == {1}
    assert {subject for subject, type, _ in events if type != "call.started"} == set(ids.values())


def test_carrier_that_misbehaves_is_asked_once_for_each_dial(
    product: Product, switchboard: Switchboard, recorded: Demo
) -> None:
    cut, busy, slow = "+14155552301", "+14155552302", "+14155552303"
    switchboard.cut.add(cut)
    switchboard.refusals[busy] = 2
    switchboard.slow[slow] = 9  # longer than the carrier's client waits

    ids = [_place(recorded, number) for number in (cut, busy, slow)]

    ended = recorded.wait_for_end(ids)
    assert {call["status"] for call in ended.values()} == {"completed"}
    assert sorted(switchboard.numbers) == [cut, busy, slow]
    assert product.rows("SELECT asks FROM calls_dial ORDER BY asks") == [(1,), (1,), (3,)]


def test_carrier_that_is_down_is_asked_once_it_is_back(
    product: Product, switchboard: Switchboard, recorded: Demo
) -> None:
    switchboard.go_down()
    call_id = _place(recorded, "+14155552400")
    wait_until(
        lambda: product.rows("SELECT 1 FROM calls_dial WHERE asks > 1"), what="it is asked again"
    )

    switchboard.come_up(switchboard.port)

    assert recorded.wait_for_end([call_id])[call_id]["status"] == "completed"
    assert switchboard.numbers == ["+14155552400"]


UNKNOWN = ("failed", "carrier_unknown")
DELIVERIES = "SELECT status, count(*) FROM webhooks_delivery GROUP BY 1"


def _place(demo: Demo, number: str) -> str:
    return demo.place(number, key="live", ringTimeout=5)


def _is_of(received: Received, event: str, call_id: str) -> bool:
    return bool(received.json["event"] == event and received.json["data"]["callId"] == call_id)


class Dawdling:
    """Takes five seconds over the first `call.completed`, and none over anything else."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def __call__(self, received: Received) -> Reply:
        is_first = self._receiver.events.count("call.completed") == 1
        return Reply(delay=5 if is_first and received.json["event"] == "call.completed" else 0)
