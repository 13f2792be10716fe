"""A callback that comes in while a worker asks the carrier outweighs what the worker thought."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from agents.models import Account
from calls import lifecycle, replies
from calls.carriers.base import Accepted, CarrierUncertain
from calls.dialing import claim_asks, claim_looks
from calls.models import Call, Dial, DialStatus
from calls.questions import Job, Outcome, Reply, put
from calls.reports import Report, Snapshot
from calls.services import cancel_call
from calls.shares import Shares
from tests.calls.story import StoryCarrier
from tests.factories import NUMBER, Api, make_agent
from webhooks.models import Event

UNKNOWN = None


@pytest.fixture
def ask(api: Api, account: Account, carrier: StoryCarrier, clock: time_machine.Traveller) -> Job:
    """The question whether the carrier takes a call's dial, with no answer yet."""
    agent = make_agent(account, carrier="story")
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    [job] = claim_asks(5, shares=Shares())
    return job


def overdue_look(clock: time_machine.Traveller) -> Job:
    clock.move_to(Dial.objects.get().deadline_at + timedelta(seconds=1))
    [job] = claim_looks(5, shares=Shares())
    assert job.is_overdue
    return job


def tell(status: DialStatus) -> None:
    report = Report(status=status, at=timezone.now())
    lifecycle.apply(dial_id=Dial.objects.get().id, report=report)


def answer(job: Job, outcome: Outcome) -> Call:
    replies.record(Reply(job, outcome))
    return Call.objects.get()


def look_at() -> datetime:
    return timezone.now() + timedelta(hours=1)


@pytest.mark.parametrize("told", [DialStatus.RINGING, DialStatus.IN_PROGRESS])
def test_a_canceled_call_that_turns_out_to_ring_is_hung_up(
    ask: Job, carrier: StoryCarrier, clock: time_machine.Traveller, told: DialStatus
) -> None:
    cancel_call(answer(ask, CarrierUncertain("cut")))
    job = overdue_look(clock)

    tell(told)
    call = answer(job, UNKNOWN)

    assert call.status == told
    [again] = claim_looks(5, shares=Shares())
    assert (again.status, again.is_canceled) == (told, True)
    carrier.on_fetch = lambda order: Snapshot((Report(told, timezone.now()),), look_at())
    call = answer(again, put(again).outcome)
    ended = {"ringing": ("canceled", "on_request"), "in_progress": ("completed", "hung_up")}
    assert (call.status, call.reason) == ended[told]
    assert [order.dial_id for order in carrier.hung_up] == [Dial.objects.get().id]


def test_an_answered_call_is_not_unknown(ask: Job, clock: time_machine.Traveller) -> None:
    answer(ask, CarrierUncertain("cut"))
    job = overdue_look(clock)

    tell(DialStatus.IN_PROGRESS)
    call = answer(job, UNKNOWN)

    assert (call.status, call.cost, call.ended_at) == ("in_progress", None, None)
    assert [event.type for event in Event.objects.all()] == ["call.started"]


def test_an_answered_call_did_not_ring_for_too_long(
    ask: Job, clock: time_machine.Traveller
) -> None:
    answer(ask, Accepted(carrier_id="c-1", look_at=look_at()))
    tell(DialStatus.RINGING)
    job = overdue_look(clock)
    rings = Snapshot(
        reports=(Report(status=DialStatus.RINGING, at=timezone.now()),), look_at=look_at()
    )

    tell(DialStatus.IN_PROGRESS)
    call = answer(job, rings)

    assert (call.status, call.cost, call.ended_at) == ("in_progress", None, None)
    assert Dial.objects.get().due_at <= timezone.now()
