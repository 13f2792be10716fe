"""Canceling a call at every stage: it ends once, and what a carrier holds is hung up there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Account, Agent
from calls.carriers.base import Accepted, CarrierError, CarrierUncertain, DialOrder
from calls.dialing import claim_asks, dialing
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.questions import Reply
from calls.shares import Shares
from tests.calls.story import StoryCarrier, says
from tests.factories import NUMBER, Api, make_agent
from webhooks.models import Event

Work = Callable[..., None]
SEND = "/api/v1/calls/send"
RINGING = (1.0, DialStatus.RINGING)
ANSWERED = (3.0, DialStatus.IN_PROGRESS)


@pytest.fixture
def story_agent(account: Account, carrier: StoryCarrier) -> Agent:
    return make_agent(account, carrier="story")


def place(api: Api, agent: Agent, **more: Any) -> Call:
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER, **more})
    return Call.objects.get()


def cancel(api: Api, call: Call) -> Any:
    return api.post(f"/api/v1/calls/{call.native_id}/cancel")


def ended(call: Call) -> tuple[str, str]:
    call.refresh_from_db()
    return call.status, call.reason


def told() -> list[str]:
    return list(Event.objects.values_list("type", flat=True))


def test_a_queued_call_is_canceled_at_once(api: Api, agent: Agent, account: Account) -> None:
    call = place(api, agent)
    answer = cancel(api, call)
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.json()["reason"] == "on_request"
    assert told() == ["call.failed"]
    account.refresh_from_db()
    assert (str(account.credits), str(account.reserved)) == ("1000.0000", "0.0000")
    assert Dial.objects.count() == 0


def test_a_scheduled_call_is_canceled_at_once(api: Api, agent: Agent) -> None:
    later = timezone.now() + timedelta(hours=3)
    call = place(api, agent, scheduledAt=later.isoformat())
    assert cancel(api, call).json()["status"] == "canceled"


def test_an_ended_call_is_a_conflict(api: Api, agent: Agent) -> None:
    call = place(api, agent)
    cancel(api, call)
    answer = cancel(api, call)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "call_already_ended")
    assert told() == ["call.failed"]


def test_a_ringing_call_is_hung_up_and_canceled(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    carrier.on_fetch = says(RINGING)
    call = place(api, story_agent)
    work(for_=timedelta(seconds=8))
    assert cancel(api, call).status_code == 200
    work(for_=timedelta(seconds=2))
    assert ended(call) == ("canceled", "on_request")
    assert len(carrier.hung_up) == 1
    assert told() == ["call.failed"]


def test_an_answered_call_is_hung_up_and_completed(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    carrier.on_fetch = says(RINGING, ANSWERED)
    call = place(api, story_agent)
    work(for_=timedelta(seconds=8))
    cancel(api, call)
    work(for_=timedelta(seconds=2))
    assert ended(call) == ("completed", "hung_up")
    assert call.cost == 1
    assert len(carrier.hung_up) == 1
    assert told() == ["call.completed", "call.started"]


def test_an_answer_between_the_wish_and_the_worker_counts(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    carrier.on_fetch = says(RINGING, ANSWERED)
    call = place(api, story_agent)
    work(for_=timedelta(seconds=1))
    Dial.objects.update(asked_at=timezone.now() - timedelta(seconds=4))
    cancel(api, call)
    work(for_=timedelta(seconds=1))
    assert ended(call) == ("completed", "hung_up")


def test_a_call_that_the_carrier_ended_meanwhile_ended_so(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    carrier.on_fetch = says(RINGING)
    call = place(api, story_agent)
    work(for_=timedelta(seconds=8))
    carrier.on_fetch = says(RINGING, (4.0, DialStatus.BUSY))
    cancel(api, call)
    work(for_=timedelta(seconds=2))
    assert ended(call) == ("busy", "")
    assert carrier.hung_up == []


def test_a_wish_while_the_carrier_is_being_asked_waits_for_its_answer(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    call = place(api, story_agent)
    carrier.on_fetch = says((0.0, DialStatus.DIALING))
    [job] = claim_asks(1, shares=Shares())
    cancel(api, call)
    assert ended(call) == ("dialing", "")
    accepted = carrier.dial(job.order)
    dialing().begin()
    dialing().record([Reply(job=job, outcome=accepted)])
    work(for_=timedelta(seconds=1))
    assert ended(call) == ("canceled", "on_request")
    assert len(carrier.hung_up) == 1


@pytest.mark.parametrize("permanent", [True, False])
def test_a_refused_ask_is_not_repeated_when_it_was_canceled(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work, permanent: bool
) -> None:
    call = place(api, story_agent)
    [job] = claim_asks(1, shares=Shares())
    cancel(api, call)
    error = CarrierError("429", permanent=permanent, reason="carrier_busy")
    dialing().begin()
    dialing().record([Reply(job=job, outcome=error)])
    assert ended(call) == ("canceled", "on_request")
    work(for_=timedelta(seconds=5))
    assert carrier.dialled == []


def test_a_call_between_two_asks_is_canceled_at_once(
    api: Api, story_agent: Agent, carrier: StoryCarrier
) -> None:
    def refuse(order: DialOrder) -> Accepted:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    carrier.on_dial = refuse
    call = place(api, story_agent)
    dialing().run(linger=0)
    assert cancel(api, call).json()["status"] == "canceled"
    assert Dial.objects.get().ended_at


def test_a_lost_answer_without_a_trace_is_canceled_at_the_deadline(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    def cut(order: DialOrder) -> Accepted:
        raise CarrierUncertain("cut")

    carrier.on_dial = cut
    call = place(api, story_agent)
    work(for_=timedelta(seconds=1))
    cancel(api, call)
    work(for_=timedelta(seconds=10))
    assert ended(call)[0] == "dialing"
    work(for_=timedelta(minutes=1))
    assert ended(call) == ("canceled", "on_request")


def test_a_carrier_that_cannot_be_reached_is_told_again(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    call = place(api, story_agent)
    work(for_=timedelta(seconds=1))
    carrier.on_fetch = unreachable
    cancel(api, call)
    work(for_=timedelta(seconds=20))
    assert carrier.hung_up == []
    carrier.on_fetch = says(RINGING)
    work(for_=timedelta(seconds=20))
    assert ended(call) == ("canceled", "on_request")
    assert len(carrier.hung_up) == 1


def unreachable(order: DialOrder) -> None:
    raise CarrierUncertain("down")


def test_asking_twice_hangs_up_once(
    api: Api, story_agent: Agent, carrier: StoryCarrier, work: Work
) -> None:
    carrier.on_fetch = says(RINGING)
    call = place(api, story_agent)
    work(for_=timedelta(seconds=8))
    assert [cancel(api, call).status_code for _ in range(2)] == [200, 200]
    work(for_=timedelta(seconds=2))
    assert len(carrier.hung_up) == 1
    wishes = CallEvent.objects.filter(type="cancel_requested")
    assert wishes.count() == 1


def test_a_strangers_call_is_not_there(api: Api, stranger_api: Api, agent: Agent) -> None:
    call = place(api, agent)
    answer = cancel(stranger_api, call)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "call_not_found")
    assert ended(call)[0] == "queued"


def test_a_test_key_ends_no_live_call(api: Api, test_api: Api, agent: Agent) -> None:
    live = place(api, agent)
    assert cancel(test_api, live).status_code == 404
    assert ended(live)[0] == "queued"


def test_a_live_key_cancels_a_test_call(api: Api, test_api: Api, agent: Agent) -> None:
    assert cancel(api, place(test_api, agent)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_cancel_races_with_the_worker(api: Api, account: Account, carrier: StoryCarrier) -> None:
    """Whoever is first: it is dialled and hung up, or never dialled at all."""
    agent = make_agent(account, carrier="story")
    carrier.on_fetch = says(RINGING)
    for _ in range(20):
        api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    calls = list(Call.objects.all())

    def cancel_all(_: object) -> None:
        try:
            for call in calls:
                cancel(api, call)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        wishes = threads.submit(cancel_all, None)
        dialing().run(linger=0)
        wishes.result()
    dialing().run(linger=0)
    for call in calls:
        assert ended(call) == ("canceled", "on_request")
    assert {order.call_id for order in carrier.dialled} == {
        order.call_id for order in carrier.hung_up
    }
    assert told() == ["call.failed"] * 20


@pytest.mark.django_db(transaction=True)
def test_cancel_races_with_another_ask(
    api: Api, account: Account, carrier: StoryCarrier, clock: Any
) -> None:
    """Between two asks: it is canceled and never asked again, or asked again and hung up."""

    def refuse(order: DialOrder) -> Accepted:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    agent = make_agent(account, carrier="story")
    for _ in range(20):
        api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    carrier.on_dial = refuse
    dialing().run(linger=0)
    carrier.on_dial, carrier.on_fetch = carrier.accept, says(RINGING)
    carrier.dialled.clear()
    clock.shift(timedelta(seconds=2))
    calls = list(Call.objects.all())

    def cancel_all(_: object) -> None:
        try:
            for call in calls:
                cancel(api, call)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        wishes = threads.submit(cancel_all, None)
        dialing().run(linger=0)
        wishes.result()
    dialing().run(linger=0)
    assert {ended(call) for call in calls} == {("canceled", "on_request")}
    asked, hung_up = (
        {order.call_id for order in orders} for orders in (carrier.dialled, carrier.hung_up)
    )
    assert asked == hung_up
    assert told() == ["call.failed"] * 20
