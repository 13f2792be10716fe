"""Every number of the simulated carrier, from acceptance to its end."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from agents.models import Agent
from calls.models import Call, Dial
from tests.factories import Api
from webhooks.models import Event


@pytest.mark.parametrize(
    ("last", "status", "reason", "events"),
    [
        ("0100", "completed", "", ["call.started", "call.completed"]),
        ("0101", "busy", "", ["call.failed"]),
        ("0102", "no_answer", "", ["call.failed"]),
        ("0103", "voicemail", "", ["call.started", "call.completed"]),
        ("0104", "failed", "rejected", ["call.failed"]),
        ("0105", "failed", "carrier_silent", ["call.failed"]),
        ("0106", "completed", "", ["call.started", "call.completed"]),
        ("0107", "completed", "", ["call.started", "call.completed"]),
        ("0108", "completed", "", ["call.started", "call.completed"]),
    ],
)
def test_number(
    test_api: Api,
    agent: Agent,
    work: Callable[..., None],
    last: str,
    status: str,
    reason: str,
    events: list[str],
) -> None:
    body = {"agentId": agent.native_id, "toNumber": f"+1415555{last}", "ringTimeout": 300}
    test_api.post("/api/v1/calls/send", body)
    work(for_=timedelta(minutes=10))
    call, dial = Call.objects.get(), Dial.objects.get()
    assert (call.status, call.reason) == (status, reason)
    assert dial.asks == (2 if last == "0107" else 1)
    told = Event.objects.order_by("created_at", "id").values_list("type", flat=True)
    assert list(told) == events
    if last != "0105":
        assert call.ended_at
        assert call.ended_at - call.created_at < timedelta(seconds=10)
    else:
        assert call.ended_at
        assert call.ended_at - call.created_at > timedelta(seconds=300)


def test_a_test_key_never_reaches_another_carrier(test_api: Api, api: Api, agent: Agent) -> None:
    agent.carrier = "elsewhere"
    agent.save()
    body = {"agentId": agent.native_id, "toNumber": "+14155550123"}
    test_api.post("/api/v1/calls/send", body)
    api.post("/api/v1/calls/send", body)
    carriers = Call.objects.order_by("created_at").values_list("mode", "carrier")
    assert list(carriers) == [("test", "simulated"), ("live", "elsewhere")]
