"""Every number of the simulated carrier, for messages, from acceptance to its end."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from agents.models import Agent
from calls.models import Message
from tests.factories import Api
from webhooks.models import Event

ARRIVES = ["sms.sent", "sms.delivered"]


@pytest.mark.parametrize(
    ("last", "status", "reason", "asks", "events"),
    [
        ("0100", "delivered", "", 1, ARRIVES),
        ("0101", "delivered", "", 1, ARRIVES),
        ("0104", "failed", "rejected", 1, ["sms.failed"]),
        ("0105", "sent", "", 1, ["sms.sent"]),
        ("0107", "delivered", "", 2, ARRIVES),
        ("0108", "delivered", "", 1, ARRIVES),
    ],
)
def test_number(
    test_api: Api,
    agent: Agent,
    work: Callable[..., None],
    last: str,
    status: str,
    reason: str,
    asks: int,
    events: list[str],
) -> None:
    body = {"agentId": agent.native_id, "toNumber": f"+1415555{last}", "message": "Hello"}
    test_api.post("/api/v1/sms/send", body)
    work(for_=timedelta(seconds=30))
    message = Message.objects.get()
    assert (message.status, message.reason, message.asks) == (status, reason, asks)
    told = Event.objects.order_by("created_at", "id").values_list("type", flat=True)
    assert list(told) == events
    assert message.cost == 0


def test_it_is_sent_and_delivered_when_it_says(
    test_api: Api, agent: Agent, work: Callable[..., None]
) -> None:
    body = {"agentId": agent.native_id, "toNumber": "+14155550123", "message": "Hello"}
    test_api.post("/api/v1/sms/send", body)
    work(for_=timedelta(seconds=30))
    message = Message.objects.get()
    assert message.asked_at
    assert message.sent_at == message.asked_at + timedelta(seconds=0.3)
    assert message.delivered_at == message.asked_at + timedelta(seconds=1.5)
