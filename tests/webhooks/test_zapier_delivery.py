"""What Zapier is told of an ended call, and that no subscriber holds up another."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from agents.models import Account, Agent
from calls.models import Call
from tests.factories import Api, make_agent
from tests.receiver import Receiver, Reply, receiving
from tests.webhooks.telling import hanging_until
from webhooks.models import Delivery, Event, Subscription
from webhooks.services import publish, subscribe_zap

Work = Callable[..., None]

# The number's last digits choose how the simulated call ends.
OUTCOMES = {
    "+14155550123": ("completed", None, 3),
    "+14155550103": ("voicemail", None, 2),
    "+14155550101": ("busy", None, None),
    "+14155550102": ("failed", "no_answer", None),
    "+14155550104": ("failed", "rejected", None),
    "+14155550105": ("failed", "carrier_silent", None),
}


@pytest.fixture
def receivers() -> Iterator[list[Receiver]]:
    """Four of them: healthy, slow, broken, gone."""
    with ExitStack() as stack:
        yield [stack.enter_context(receiving()) for _ in range(4)]


@pytest.mark.parametrize("number", OUTCOMES)
def test_one_object_a_call(
    api: Api, agent: Agent, receiver: Receiver, work: Work, number: str
) -> None:
    subscribe_zap(agent, url=receiver.url)
    campaign = "01940a6e-1400-7000-8000-00000000000c"
    order = {
        "agent_id": str(agent.id),
        "to_number": number,
        "params": {"customer_name": "John"},
        "campaign_id": campaign,
    }
    placed = api.post("/api/zapier/actions/outbound-call", order).json()

    work(for_=timedelta(minutes=5))

    status, reason, duration = OUTCOMES[number]
    (request,) = receiver.requests
    call = Call.objects.get()
    assert request.json == {
        "id": str(Event.objects.exclude(zapier_body="").get().id),
        "call_id": placed["call_id"],
        "agent_id": str(agent.id),
        "campaign_id": campaign,
        "status": status,
        "reason": reason,
        "duration": duration,
        "to_number": number,
        "from_number": "+14155550100",
        "params": {"customer_name": "John"},
        "started_at": request.json["started_at"],
        "ended_at": request.json["ended_at"],
        "transcript": None,
        "summary": None,
        "recording_url": None,
    }
    assert (request.json["started_at"] is None) == (call.started_at is None)
    assert request.json["ended_at"].endswith("Z")


def test_a_call_without_campaign_or_params(
    api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe_zap(agent, url=receiver.url)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": "+14155550123"})
    work()
    told = receiver.requests[0].json
    assert (told["campaign_id"], told["params"]) == (None, {})


def test_only_of_its_own_agent(
    api: Api, account: Account, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe_zap(make_agent(account, name="Another"), url=receiver.url)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": "+14155550123"})
    work()
    assert receiver.requests == []
    assert not Delivery.objects.exists()


def test_a_test_call_fires_real_deliveries(
    test_api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe_zap(agent, url=receiver.url)
    order = {"agent_id": str(agent.id), "to_number": "+14155550123"}
    placed = test_api.post("/api/zapier/actions/outbound-call", order).json()
    work()
    assert [one.json["call_id"] for one in receiver.requests] == [placed["call_id"]]


def test_a_retry_brings_the_same_bytes(agent: Agent, receiver: Receiver, work: Work) -> None:
    subscribe_zap(agent, url=receiver.url)
    receiver.reply = lambda received: Reply(500 if len(receiver.requests) < 3 else 200)
    tell(agent)
    work(for_=timedelta(hours=1))
    assert len(receiver.requests) == 3
    assert len({one.body for one in receiver.requests}) == 1


def test_slow_broken_and_gone_do_not_delay_a_healthy_one(
    agent: Agent, receivers: list[Receiver], work: Work
) -> None:
    healthy, slow, broken, gone = receivers
    slow.reply = hanging_until(healthy, has=30)
    broken.reply = lambda received: Reply(500)
    gone.reply = lambda received: Reply(410)
    # The healthy one comes last wherever deliveries are taken in order.
    for receiver in (slow, broken, gone, healthy):
        subscribe_zap(agent, url=receiver.url)
    began = time.time()
    for _ in range(30):
        tell(agent)

    work(for_=timedelta(seconds=1))

    assert len(healthy.requests) == 30
    # Before the slow one has answered a single time.
    assert max(one.at for one in healthy.requests) - began < 3
    assert len(slow.requests) == 30
    statuses = {one.url: (one.status, one.status_reason) for one in Subscription.objects.all()}
    assert statuses == {
        healthy.url: ("enabled", ""),
        slow.url: ("enabled", ""),
        broken.url: ("enabled", ""),
        gone.url: ("disabled", "gone"),
    }
    held = Delivery.objects.filter(subscription__url=gone.url)
    assert {delivery.status for delivery in held} == {"held"}


def tell(agent: Agent) -> None:
    publish("call.completed", agent=agent, data={}, disposition={"status": "completed"})
