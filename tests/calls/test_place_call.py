"""`POST /api/v1/calls/send`, from the request to the last webhook."""

from collections.abc import Callable

from agents.models import Agent
from calls.models import Call, Dial
from tests.factories import NUMBER, Api
from tests.receiver import Receiver


def test_call_is_accepted_dialled_and_told_of(
    api: Api, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    webhook = api.post(
        "/api/v1/webhooks",
        {"url": receiver.url, "events": ["call.started", "call.completed", "call.failed"]},
    ).json()

    answer = api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})

    assert answer.status_code == 201
    call = Call.objects.get()
    assert answer.json() == {
        "status": "success",
        "callId": call.native_id,
        "agentId": agent.native_id,
        "fromNumber": "+14155550100",
        "toNumber": NUMBER,
        "callStatus": "queued",
    }
    assert answer["Location"] == f"/api/v1/calls/{call.native_id}"

    work()

    seen = api.get(answer["Location"]).json()
    assert (seen["status"], seen["duration"], seen["cost"]) == ("completed", 3, "1")
    assert Dial.objects.count() == 1
    assert receiver.events == ["call.started", "call.completed"]
    for request in receiver.requests:
        assert request.verify(webhook["secret"])["data"]["callId"] == call.native_id
