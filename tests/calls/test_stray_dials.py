"""A carrier that took a dial after we had given it up is told to hang up."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Account
from calls import lifecycle
from calls.carriers.base import CarrierUncertain, DialOrder
from calls.dialing import claim_calls, dialing
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.questions import Reply
from calls.reports import Report
from calls.shares import Shares
from tests.calls.story import StoryCarrier
from tests.factories import NUMBER, Api, make_agent
from webhooks.models import Event

Work = Callable[..., None]


@pytest.fixture
def given_up(api: Api, account: Account, carrier: StoryCarrier, work: Work) -> Dial:
    """A dial whose answer was lost and that the carrier knew nothing of until its deadline."""
    agent = make_agent(account, carrier="story")
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})

    def cut(order: DialOrder) -> None:
        raise CarrierUncertain("cut")

    carrier.on_dial = cut  # type: ignore[assignment]
    work()
    assert Call.objects.get().reason == "carrier_unknown"
    return Dial.objects.get()


def late(status: DialStatus) -> Report:
    return Report(status, timezone.now() + timedelta(seconds=5))


def test_late_news_has_it_hung_up(given_up: Dial, carrier: StoryCarrier, work: Work) -> None:
    lifecycle.apply(dial_id=given_up.id, report=late(DialStatus.RINGING))
    work(for_=timedelta(seconds=20))
    assert [order.dial_id for order in carrier.hung_up] == [given_up.id]
    given_up.refresh_from_db()
    assert (given_up.stray_since, given_up.status) == (None, "failed")
    lines = list(CallEvent.objects.order_by("id").values_list("type", flat=True))
    assert lines[-2:] == ["stray", "stray_hung_up"]
    assert Event.objects.count() == 1


@pytest.mark.parametrize("status", [DialStatus.COMPLETED, DialStatus.BUSY])
def test_news_of_an_end_is_no_reason_to_hang_up(
    given_up: Dial, carrier: StoryCarrier, work: Work, status: DialStatus
) -> None:
    lifecycle.apply(dial_id=given_up.id, report=late(status))
    work(for_=timedelta(seconds=20))
    assert carrier.hung_up == []


def test_old_news_is_none(given_up: Dial, carrier: StoryCarrier, work: Work) -> None:
    lifecycle.apply(dial_id=given_up.id, report=Report(DialStatus.RINGING, given_up.asked_at))  # type: ignore[arg-type]
    work(for_=timedelta(seconds=20))
    assert carrier.hung_up == []


def test_a_carrier_that_cannot_be_told_is_told_again_for_a_while(
    given_up: Dial, carrier: StoryCarrier, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(order: DialOrder) -> None:
        carrier.hung_up.append(order)
        raise CarrierUncertain("down")

    monkeypatch.setattr(carrier, "hang_up", fail)
    lifecycle.apply(dial_id=given_up.id, report=late(DialStatus.RINGING))
    work(for_=timedelta(minutes=10))
    assert len(carrier.hung_up) > 5
    given_up.refresh_from_db()
    assert given_up.stray_since is None
    assert CallEvent.objects.filter(type="stray_left").count() == 1


def test_an_acceptance_that_came_too_late_is_hung_up(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    agent = make_agent(account, carrier="story", ring_timeout=5)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    [job] = claim_calls(1, shares=Shares(), now=timezone.now())
    work()  # its lease ran out, and another worker found no trace
    assert Call.objects.get().reason == "carrier_unknown"
    dialing().begin()
    dialing().record([Reply(job=job, outcome=carrier.accept(job.order))])
    work(for_=timedelta(seconds=5))
    assert [order.carrier_id for order in carrier.hung_up] == ["c-1"]
    assert Event.objects.count() == 1
