"""A carrier that took a dial after we had given it up is told to hang up."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Account
from calls import lifecycle
from calls.carriers.base import Accepted, CarrierError, CarrierUncertain, DialOrder
from calls.dialing import claim_asks, dialing
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.questions import Reply
from calls.reports import Report
from calls.shares import Shares
from tests.calls.story import StoryCarrier, says
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


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_that_is_off_hides_no_stray(
    given_up: Dial, carrier: StoryCarrier, work: Work, minutes: int
) -> None:
    at = timezone.now() + timedelta(minutes=minutes)
    lifecycle.apply(dial_id=given_up.id, report=Report(DialStatus.RINGING, at))
    work(for_=timedelta(seconds=5))
    assert len(carrier.hung_up) == 1


def test_late_repeats_of_what_the_carrier_ended_itself_are_no_stray(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    carrier.on_fetch = says((1, DialStatus.RINGING), (3, DialStatus.BUSY))
    agent = make_agent(account, carrier="story")
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work(for_=timedelta(seconds=20))
    lifecycle.apply(dial_id=Dial.objects.get().id, report=late(DialStatus.RINGING))
    work(for_=timedelta(seconds=20))
    assert carrier.hung_up == []


def test_what_was_refused_and_rings_all_the_same_is_not_ordered_again(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    """A proxy said 429 in the engine's place, and the engine reports that it rings."""
    agent = make_agent(account, carrier="story")
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    [job] = claim_asks(1, shares=Shares())
    refusal = CarrierError("429", permanent=False, reason="carrier_busy")
    dialing().begin()
    dialing().record([Reply(job=job, outcome=refusal)])
    now = timezone.now()
    lifecycle.apply(dial_id=job.order.dial_id, report=Report(DialStatus.IN_PROGRESS, now))
    carrier.on_fetch = says((0, DialStatus.IN_PROGRESS), (20, DialStatus.COMPLETED))
    work()
    assert carrier.dialled == []
    assert Call.objects.get().status == "completed"


@pytest.mark.parametrize("permanent", [True, False])
def test_a_refusal_that_comes_after_the_ringing_is_not_believed(
    api: Api, account: Account, carrier: StoryCarrier, work: Work, permanent: bool
) -> None:
    agent = make_agent(account, carrier="story")
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    [job] = claim_asks(1, shares=Shares())
    now = timezone.now()
    lifecycle.apply(dial_id=job.order.dial_id, report=Report(DialStatus.RINGING, now))
    refusal = CarrierError("no", permanent=permanent, reason="carrier_busy")
    dialing().begin()
    dialing().record([Reply(job=job, outcome=refusal)])
    carrier.on_fetch = says((0, DialStatus.RINGING), (9, DialStatus.BUSY))
    work()
    assert carrier.dialled == []
    assert (Call.objects.get().status, Call.objects.get().reason) == ("busy", "")


def test_a_refused_dial_that_was_taken_stops_the_next_try(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    def refuse(order: DialOrder) -> None:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    carrier.on_dial = refuse  # type: ignore[assignment]
    rule = {"causes": ["failed"], "attempts": 3, "gaps": [600]}
    agent = make_agent(account, carrier="story", retry=rule)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work(for_=timedelta(minutes=1))
    assert Call.objects.get().status == "queued"
    now = timezone.now()
    lifecycle.apply(dial_id=Dial.objects.get().id, report=Report(DialStatus.IN_PROGRESS, now))
    work(for_=timedelta(minutes=30))
    assert (Call.objects.get().status, Call.objects.get().reason) == ("failed", "stray_dial")
    assert len(carrier.hung_up) == 1
    assert Dial.objects.count() == 1
    assert Event.objects.count() == 1


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
    [job] = claim_asks(1, shares=Shares())
    work()  # its lease ran out, and another worker found no trace
    assert Call.objects.get().reason == "carrier_unknown"
    dialing().begin()
    dialing().record([Reply(job=job, outcome=carrier.accept(job.order))])
    work(for_=timedelta(seconds=5))
    assert [order.carrier_id for order in carrier.hung_up] == ["c-1"]
    assert Event.objects.count() == 1


def test_an_end_that_was_reported_before_the_acceptance_is_no_stray(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    """The carrier reports faster than it answers; the call is tried again as its rule says."""
    rule = {"causes": ["busy"], "attempts": 2, "gaps": [60]}
    agent = make_agent(account, carrier="story", retry=rule)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    [job] = claim_asks(1, shares=Shares())
    busy = Report(DialStatus.BUSY, timezone.now())
    lifecycle.apply(dial_id=job.order.dial_id, report=busy)
    dialing().begin()
    dialing().record([Reply(job=job, outcome=carrier.accept(job.order))])
    carrier.on_fetch = says((0, DialStatus.COMPLETED))
    work()
    assert carrier.hung_up == []
    assert Dial.objects.count() == 2
    assert Call.objects.get().status == "completed"


def test_late_repeats_of_what_was_taken_at_the_second_asking_are_no_stray(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    def busy_once(order: DialOrder) -> Accepted:
        if order.ask == 1:
            raise CarrierError("429", permanent=False, reason="carrier_busy")
        return carrier.accept(order)

    carrier.on_dial = busy_once
    carrier.on_fetch = says((1, DialStatus.RINGING), (3, DialStatus.BUSY))
    rule = {"causes": ["busy"], "attempts": 2, "gaps": [600]}
    agent = make_agent(account, carrier="story", retry=rule)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work(for_=timedelta(minutes=1))
    lifecycle.apply(dial_id=Dial.objects.get().id, report=late(DialStatus.RINGING))
    assert Call.objects.get().status == "queued"
    assert not Dial.objects.exclude(stray_since=None).exists()


@pytest.mark.parametrize(
    ("told", "status"), [(DialStatus.RINGING, "queued"), (DialStatus.IN_PROGRESS, "failed")]
)
def test_what_was_known_before_we_hung_up_is_no_news_after_it(
    api: Api, account: Account, carrier: StoryCarrier, work: Work, told: DialStatus, status: str
) -> None:
    """A worker that was held up writes down what it heard before another one hung up."""
    carrier.on_fetch = says((1, DialStatus.RINGING))
    rule = {"causes": ["no_answer"], "attempts": 2, "gaps": [600]}
    agent = make_agent(account, carrier="story", retry=rule, ring_timeout=5)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work(for_=timedelta(minutes=1))
    assert Dial.objects.get().reason == "ring_timeout"
    lifecycle.apply(dial_id=Dial.objects.get().id, report=late(told))
    assert Call.objects.get().status == status
