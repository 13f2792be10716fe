"""Carriers that misbehave: one dial, a known end, and nobody rung twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.models import Account
from calls.carriers import carrier_named
from calls.carriers.base import Accepted, CarrierError, CarrierUncertain, DialOrder
from calls.dialing import claim_asks, claim_looks, dialing
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.questions import LEASE, Reply
from calls.reports import Report, Snapshot
from calls.shares import Shares
from tests.calls.story import StoryCarrier, says
from tests.factories import NUMBER, Api, make_agent

Work = Callable[..., None]


@pytest.fixture
def call(api: Api, account: Account, carrier: StoryCarrier, clock: time_machine.Traveller) -> Call:
    """Placed under the clock that its test turns."""
    agent = make_agent(account, carrier="story", greeting="Hi {{name}}", max_duration=60)
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "params": {"name": "Ada"}}
    api.post("/api/v1/calls/send", {**body, "ringTimeout": 20})
    return Call.objects.get()


def types(call: Call) -> list[str]:
    return list(CallEvent.objects.filter(call=call).values_list("type", flat=True))


def test_the_order_says_what_the_carrier_needs(
    call: Call, carrier: StoryCarrier, work: Work
) -> None:
    work(for_=timedelta(seconds=1))
    order = carrier.dialled[0]
    dial = Dial.objects.get()
    assert (order.dial_id, order.call_id, order.ask) == (dial.id, call.id, 1)
    assert (order.to_number, order.greeting, order.params) == (NUMBER, "Hi Ada", {"name": "Ada"})
    assert (order.ring_timeout, order.max_duration) == (20, 60)
    assert (dial.status, dial.carrier_id) == ("dialing", "c-1")


def test_a_refusal_is_asked_again_until_it_is_enough(
    call: Call, carrier: StoryCarrier, work: Work
) -> None:
    def refuse(order: DialOrder) -> Accepted:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    carrier.on_dial = refuse
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert (call.status, call.reason) == ("failed", "carrier_busy")
    assert [order.ask for order in carrier.dialled] == [1, 2, 3, 4, 5]
    assert Dial.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "reason"), [("gone", "carrier_removed"), ("mute", "not_supported")]
)
def test_a_carrier_that_is_no_more_or_places_no_calls(
    call: Call, work: Work, settings: Any, name: str, reason: str
) -> None:
    settings.CARRIERS = {**settings.CARRIERS, "mute": "calls.carriers.base.Carrier"}
    Call.objects.update(carrier=name)
    work()
    call.refresh_from_db()
    assert (call.status, call.reason) == ("failed", reason)
    assert call.cost == 0


@pytest.mark.parametrize("error", [CarrierUncertain("cut"), RuntimeError("a bug")])
def test_an_uncertain_dial_is_reconciled_never_redialled(
    call: Call, carrier: StoryCarrier, work: Work, error: Exception
) -> None:
    def cut(order: DialOrder) -> Accepted:
        raise error

    carrier.on_dial = cut
    carrier.on_fetch = says((0, DialStatus.DIALING), (2, DialStatus.RINGING), (4, DialStatus.BUSY))
    work()
    call.refresh_from_db()
    assert call.status == "busy"
    assert len(carrier.dialled) == 1
    assert "carrier_answer_lost" in types(call)


def test_an_uncertain_dial_without_a_trace_fails(
    call: Call, carrier: StoryCarrier, work: Work
) -> None:
    def cut(order: DialOrder) -> Accepted:
        raise CarrierUncertain("cut")

    carrier.on_dial = cut
    work()
    call.refresh_from_db()
    assert (call.status, call.reason) == ("failed", "carrier_unknown")
    assert len(carrier.dialled) == 1


@pytest.mark.parametrize(
    ("story", "status", "reason", "after"),
    [
        ([], "failed", "carrier_silent", 20 + 15),
        ([(1, DialStatus.RINGING)], "no_answer", "ring_timeout", 1 + 20 + 15),
        (
            [(1, DialStatus.RINGING), (5, DialStatus.IN_PROGRESS)],
            "completed",
            "max_duration",
            5 + 60,
        ),
    ],
)
def test_a_call_that_the_carrier_forgot_is_hung_up(
    call: Call,
    carrier: StoryCarrier,
    work: Work,
    story: list[tuple[float, DialStatus]],
    status: str,
    reason: str,
    after: float,
) -> None:
    carrier.on_fetch = says(*story)
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert (call.status, call.reason) == (status, reason)
    assert len(carrier.hung_up) == 1
    assert call.ended_at
    assert abs((call.ended_at - call.created_at).total_seconds() - after) < 2


def test_news_at_the_deadline_is_no_reason_to_hang_up(
    call: Call, carrier: StoryCarrier, work: Work
) -> None:
    def fetch(order: DialOrder) -> Snapshot:
        now = timezone.now()
        if now < order.asked_at + timedelta(seconds=34):
            return Snapshot(reports=(), look_at=now + timedelta(minutes=1))
        late = says((33, DialStatus.IN_PROGRESS), (50, DialStatus.COMPLETED))
        return late(order)

    carrier.on_fetch = fetch
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert (call.status, call.reason, call.duration) == ("completed", "", 17)
    assert carrier.hung_up == []


def test_a_carrier_that_cannot_be_reached_ends_the_call_at_last(
    call: Call, carrier: StoryCarrier, work: Work
) -> None:
    def down(order: DialOrder) -> Snapshot:
        raise CarrierError("no connection", permanent=False, reason="carrier_down")

    carrier.on_fetch = down
    work(for_=timedelta(minutes=20))
    call.refresh_from_db()
    assert (call.status, call.reason) == ("failed", "carrier_unreachable")
    assert len(carrier.dialled) == 1


def test_a_worker_that_died_before_the_answer_leaves_it_to_reconcile(
    call: Call, carrier: StoryCarrier, work: Work, clock: time_machine.Traveller
) -> None:
    jobs = claim_asks(10, shares=Shares())  # and then this worker is gone
    assert len(jobs) == 1
    assert jobs[0].is_ask
    assert claim_looks(10, shares=Shares()) == []
    carrier.on_fetch = says((1, DialStatus.RINGING), (8, DialStatus.COMPLETED))
    clock.shift(LEASE + timedelta(seconds=1))
    work()
    call.refresh_from_db()
    assert call.status == "completed"
    assert carrier.dialled == []


def test_a_worker_that_woke_too_late_does_not_ask(
    call: Call, carrier: StoryCarrier, clock: time_machine.Traveller, work: Work
) -> None:
    job = claim_asks(10, shares=Shares())[0]
    clock.shift(LEASE)
    done: list[object] = []
    dialing().start([job], done.append)
    while not done:
        pass
    assert carrier.dialled == []


def test_who_lost_the_lease_writes_no_time(
    call: Call, carrier: StoryCarrier, clock: time_machine.Traveller
) -> None:
    claim_asks(10, shares=Shares())
    clock.shift(LEASE)
    slow = claim_looks(10, shares=Shares())[0]
    clock.shift(LEASE)
    claim_looks(10, shares=Shares())
    due_at = Dial.objects.get().due_at
    far = Snapshot(reports=(), look_at=timezone.now() + timedelta(days=1))
    dialing().record([Reply(job=slow, outcome=far)])
    assert Dial.objects.get().due_at == due_at


@pytest.mark.django_db(transaction=True)
def test_many_workers_ask_once(api: Api, account: Account, carrier: StoryCarrier) -> None:
    agent = make_agent(account, carrier="story")
    for number in range(20):
        body = {"agentId": agent.native_id, "toNumber": f"+141555501{number + 10}"}
        api.post("/api/v1/calls/send", body)

    def claim(_: int) -> list[str]:
        try:
            return [job.order.to_number for job in claim_asks(10, shares=Shares())]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        claimed = [number for numbers in threads.map(claim, range(8)) for number in numbers]
    assert len(claimed) == len(set(claimed)) == 20


def test_each_ask_starts_a_whole_ring_time(
    call: Call, carrier: StoryCarrier, work: Work, clock: time_machine.Traveller
) -> None:
    def refuse(order: DialOrder) -> Accepted:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    carrier.on_dial = refuse
    work(for_=timedelta(seconds=0.5))
    clock.shift(timedelta(minutes=2))  # nobody worked for a while
    carrier.on_dial = carrier.accept
    carrier.on_fetch = says((5, DialStatus.RINGING), (12, DialStatus.BUSY))
    work()
    call.refresh_from_db()
    assert (call.status, carrier.hung_up) == ("busy", [])


def test_reports_that_come_at_once_count_in_the_order_in_which_they_happened(
    call: Call, carrier: StoryCarrier, work: Work, clock: time_machine.Traveller
) -> None:
    work(for_=timedelta(seconds=1))
    carrier.on_fetch = says((40, DialStatus.COMPLETED), (10, DialStatus.IN_PROGRESS))
    clock.shift(timedelta(minutes=1))
    work()
    call.refresh_from_db()
    assert (call.status, call.duration) == ("completed", 30)


def test_a_reply_that_cannot_be_written_takes_no_other_with_it(
    call: Call, carrier: StoryCarrier
) -> None:
    job = claim_asks(10, shares=Shares())[0]
    wrong = Snapshot(reports=(Report(DialStatus.RINGING, "now"),), look_at=timezone.now())  # type: ignore[arg-type]
    right = Accepted(carrier_id="c-1", look_at=timezone.now())
    broken = replace(job, is_ask=False)
    dialing().record([Reply(job=broken, outcome=wrong), Reply(job=job, outcome=right)])
    assert Dial.objects.get().carrier_id == "c-1"


def test_a_carrier_that_was_taken_out_of_the_settings_ends_the_call(
    call: Call, carrier: StoryCarrier, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier_named.cache_clear()
    monkeypatch.delitem(settings.CARRIERS, "story")
    work(for_=timedelta(seconds=5))
    call.refresh_from_db()
    assert (call.status, call.reason) == ("failed", "carrier_removed")
    monkeypatch.undo()
