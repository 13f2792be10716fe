"""Carriers that misbehave with messages: a known end, and nothing sent twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.models import Account
from calls import message_lifecycle as lifecycle
from calls.carriers import carrier_named
from calls.carriers.base import (
    Accepted,
    Carrier,
    CarrierError,
    CarrierUncertain,
    MessageOrder,
)
from calls.message_queue import lease_due
from calls.models import Message, MessageStatus
from calls.reports import MessageReport, MessageSnapshot
from calls.sending import LEASE, Job, Reply, sending
from calls.shares import ACCOUNT_SHARE, CARRIER_SHARE, SLOTS, Shares
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_account, make_agent, make_key

Work = Callable[..., None]
SMS = "/api/v1/sms/send"


class Postman(Carrier):
    """A carrier that a test tells what to answer; it remembers what it was asked."""

    def __init__(self) -> None:
        self.sent: list[MessageOrder] = []
        self.looks = 0
        self.on_send: Callable[[MessageOrder], Accepted] = self.accept
        self.on_fetch: Callable[[MessageOrder], MessageSnapshot | None] = lambda order: None

    def send_sms(self, order: MessageOrder) -> Accepted:
        self.sent.append(order)
        return self.on_send(order)

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        self.looks += 1
        return self.on_fetch(order)

    def accept(self, order: MessageOrder) -> Accepted:
        return Accepted(carrier_id="c-1", look_at=timezone.now() + timedelta(seconds=5))


class Courier(Postman):
    """Another one, beside it."""


@pytest.fixture
def carriers() -> Iterator[dict[str, Postman]]:
    made: dict[str, Postman] = {}
    for name, kind in (("postman", Postman), ("courier", Courier)):
        settings.CARRIERS[name] = f"{__name__}.{kind.__name__}"
        carrier = carrier_named(name)
        assert isinstance(carrier, Postman)
        carrier.__init__()  # type: ignore[misc] # one instance a process: start its story afresh
        made[name] = carrier
    yield made
    for name in made:
        del settings.CARRIERS[name]


@pytest.fixture
def carrier(carriers: dict[str, Postman]) -> Postman:
    return carriers["postman"]


@pytest.fixture
def message(api: Api, account: Account, carrier: Postman) -> Message:
    agent = make_agent(account, carrier="postman")
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hi {{name}}"}
    api.post(SMS, {**body, "params": {"name": "Ada"}})
    return Message.objects.get()


def says(*stages: tuple[float, MessageStatus]) -> Callable[[MessageOrder], MessageSnapshot]:
    """A story: seconds after the ask, and what the message is from then on."""

    def fetch(order: MessageOrder) -> MessageSnapshot:
        now = timezone.now()
        reports = [
            MessageReport(status, order.asked_at + timedelta(seconds=at), reason="why")
            for at, status in stages
        ]
        return MessageSnapshot(
            reports=tuple(report for report in reports if report.at <= now),
            look_at=now + timedelta(seconds=1),
        )

    return fetch


def cut(order: MessageOrder) -> Accepted:
    raise CarrierUncertain("cut")


def refuse(order: MessageOrder) -> Accepted:
    raise CarrierError("429", permanent=False, reason="carrier_busy")


def claim() -> list[Job]:
    """What a worker of this process takes, and then it is gone."""
    jobs = sending().claim(50)
    sending().begin()
    return jobs


def test_the_order_says_what_the_carrier_needs(
    message: Message, carrier: Postman, work: Work
) -> None:
    work(for_=timedelta(seconds=1))
    message.refresh_from_db()
    order = carrier.sent[0]
    assert (order.message_id, order.agent_id, order.ask) == (message.id, message.agent_id, 1)
    assert (order.from_number, order.to_number) == (DEFAULT_NUMBER, NUMBER)
    assert order.text == "Hi Ada"
    assert order.asked_at == message.asked_at
    assert order.callback_url.endswith(f"/carriers/postman/messages/{message.id}")
    assert (message.status, message.carrier_id) == ("sending", "c-1")


def test_a_refusal_is_asked_again_until_it_is_enough(
    message: Message, carrier: Postman, work: Work
) -> None:
    carrier.on_send = refuse
    work(for_=timedelta(minutes=5))
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "carrier_busy")
    assert message.cost == 0
    assert [order.ask for order in carrier.sent] == [1, 2, 3, 4, 5]
    gaps = [late.asked_at - early.asked_at for early, late in pairwise(carrier.sent)]
    for gap, seconds in zip(gaps, (1, 2, 4, 8), strict=True):
        assert 0.8 * seconds <= gap.total_seconds() <= 1.2 * seconds + 1


def test_a_permanent_refusal_is_the_end(message: Message, carrier: Postman, work: Work) -> None:
    def reject(order: MessageOrder) -> Accepted:
        raise CarrierError("no", permanent=True, reason="rejected")

    carrier.on_send = reject
    work()
    message.refresh_from_db()
    assert (message.status, message.reason, len(carrier.sent)) == ("failed", "rejected", 1)


@pytest.mark.parametrize("error", [CarrierUncertain("cut"), RuntimeError("a bug")])
def test_an_uncertain_message_is_reconciled_never_sent_again(
    message: Message, carrier: Postman, work: Work, error: Exception
) -> None:
    def fail(order: MessageOrder) -> Accepted:
        raise error

    carrier.on_send = fail
    carrier.on_fetch = says((2, MessageStatus.SENT), (4, MessageStatus.DELIVERED))
    work()
    message.refresh_from_db()
    assert (message.status, message.cost) == ("delivered", message.price_per_segment)
    assert len(carrier.sent) == 1


def test_an_uncertain_message_without_a_trace_fails(
    message: Message, carrier: Postman, work: Work
) -> None:
    carrier.on_send = cut
    work()
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "carrier_unknown")
    assert message.cost == 0
    assert message.ended_at
    after = message.ended_at - message.created_at
    assert lifecycle.RECONCILED_FOR <= after < lifecycle.RECONCILED_FOR + timedelta(seconds=15)
    assert len(carrier.sent) == 1


def test_an_uncertain_message_whose_carrier_cannot_be_asked_fails(
    message: Message, carrier: Postman, work: Work
) -> None:
    carrier.on_send = cut

    def down(order: MessageOrder) -> MessageSnapshot:
        raise CarrierUncertain("down")

    carrier.on_fetch = down
    work(for_=timedelta(minutes=20))
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "carrier_unreachable")
    assert len(carrier.sent) == 1


def test_what_the_carrier_has_and_never_sends_fails_after_three_days(
    message: Message, carrier: Postman, clock: time_machine.Traveller, work: Work
) -> None:
    def silent(order: MessageOrder) -> MessageSnapshot:
        return MessageSnapshot(reports=(), look_at=timezone.now() + timedelta(hours=20))

    carrier.on_fetch = silent
    work(for_=timedelta(days=3, seconds=-5))
    message.refresh_from_db()
    assert message.status == "sending"
    work(for_=timedelta(hours=1))
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "carrier_silent")


def test_what_was_sent_and_never_arrives_stays_sent_and_is_left_alone_after_three_days(
    message: Message, carrier: Postman, work: Work
) -> None:
    def fetch(order: MessageOrder) -> MessageSnapshot:
        found = says((1, MessageStatus.SENT))(order)
        return replace(found, look_at=timezone.now() + timedelta(hours=20))

    carrier.on_fetch = fetch
    work(for_=timedelta(days=2))
    message.refresh_from_db()
    assert (message.status, message.due_at is None) == ("sent", False)
    work(for_=timedelta(days=2))
    message.refresh_from_db()
    assert (message.status, message.due_at, message.ended_at) == ("sent", None, None)
    looks = carrier.looks
    work(for_=timedelta(days=2))
    assert carrier.looks == looks
    lifecycle.apply(
        message_id=message.id, report=MessageReport(MessageStatus.DELIVERED, timezone.now())
    )
    message.refresh_from_db()
    assert message.status == "delivered"


def test_a_carrier_that_is_listed_no_more(message: Message, work: Work) -> None:
    Message.objects.update(carrier="gone")
    work()
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "carrier_removed")


def test_a_carrier_that_sends_no_messages(api: Api, account: Account, work: Work) -> None:
    settings.CARRIERS["mute"] = "calls.carriers.base.Carrier"
    try:
        agent = make_agent(account, carrier="mute")
        api.post(SMS, {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"})
        work()
    finally:
        del settings.CARRIERS["mute"]
    message = Message.objects.get()
    assert (message.status, message.reason) == ("failed", "not_supported")


# Workers that die, or are late --------------------------------------------------------------------


def test_a_worker_that_died_before_the_answer_leaves_it_to_reconcile(
    message: Message, carrier: Postman, work: Work, clock: time_machine.Traveller
) -> None:
    jobs = claim()
    assert [job.is_ask for job in jobs] == [True]
    assert claim() == []
    carrier.on_fetch = says((1, MessageStatus.SENT), (8, MessageStatus.DELIVERED))
    clock.shift(LEASE + timedelta(seconds=1))
    work()
    message.refresh_from_db()
    assert message.status == "delivered"
    assert carrier.sent == []


def test_a_worker_that_died_before_it_asked_leaves_a_message_that_is_never_sent(
    message: Message, carrier: Postman, work: Work, clock: time_machine.Traveller
) -> None:
    claim()
    clock.shift(LEASE + timedelta(seconds=1))
    work()
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "carrier_unknown")
    assert carrier.sent == []


def test_a_worker_that_woke_too_late_does_not_ask(
    message: Message, carrier: Postman, clock: time_machine.Traveller
) -> None:
    job = claim()[0]
    clock.shift(LEASE)
    done: list[Reply] = []
    sending().start([job], done.append)
    while not done:
        time.sleep(0.01)
    assert carrier.sent == []
    sending().record(done)
    message.refresh_from_db()
    assert message.asked_at is None  # nothing of it went out, so it may be asked for


@pytest.mark.parametrize(
    "late",
    [
        CarrierError("429", permanent=False, reason="carrier_busy"),
        CarrierError("no", permanent=True, reason="rejected"),
        None,
    ],
)
def test_who_lost_the_lease_writes_nothing(
    message: Message,
    carrier: Postman,
    clock: time_machine.Traveller,
    late: CarrierError | None,
) -> None:
    slow = claim()[0]
    clock.shift(LEASE)
    claim()
    before = Message.objects.values().get()
    sending().record([Reply(job=slow, outcome=late)])
    assert Message.objects.values().get() == before


def test_an_answer_that_comes_late_still_names_the_message(
    message: Message, carrier: Postman, clock: time_machine.Traveller
) -> None:
    slow = claim()[0]
    clock.shift(LEASE)
    claim()
    accepted = Accepted(carrier_id="c-9", look_at=timezone.now())
    sending().record([Reply(job=slow, outcome=accepted)])
    message.refresh_from_db()
    assert message.carrier_id == "c-9"


def test_a_report_that_contradicts_the_refusal_keeps_it_from_being_sent_again(
    message: Message, carrier: Postman, work: Work
) -> None:
    job = claim()[0]
    lifecycle.apply(message_id=message.id, report=MessageReport(MessageStatus.SENT, timezone.now()))
    busy = CarrierError("429", permanent=False, reason="carrier_busy")
    sending().record([Reply(job=job, outcome=busy)])
    work()
    message.refresh_from_db()
    assert (message.status, carrier.sent) == ("sent", [])


def test_a_report_between_two_asks_keeps_it_from_being_sent_again(
    message: Message, carrier: Postman, work: Work
) -> None:
    job = claim()[0]
    busy = CarrierError("429", permanent=False, reason="carrier_busy")
    sending().record([Reply(job=job, outcome=busy)])
    lifecycle.apply(message_id=message.id, report=MessageReport(MessageStatus.SENT, timezone.now()))
    work()
    assert carrier.sent == []


def test_a_reply_that_cannot_be_written_takes_no_other_with_it(
    message: Message, carrier: Postman
) -> None:
    job = claim()[0]
    report = MessageReport(MessageStatus.SENT, "now")  # type: ignore[arg-type]
    wrong = MessageSnapshot(reports=(report,), look_at=timezone.now())
    right = Accepted(carrier_id="c-1", look_at=timezone.now())
    broken = replace(job, is_ask=False)
    sending().record([Reply(job=broken, outcome=wrong), Reply(job=job, outcome=right)])
    assert Message.objects.get().carrier_id == "c-1"


def test_reports_that_come_at_once_count_in_the_order_in_which_they_happened(
    message: Message, carrier: Postman, work: Work, clock: time_machine.Traveller
) -> None:
    work(for_=timedelta(seconds=1))
    carrier.on_fetch = says((40, MessageStatus.FAILED), (10, MessageStatus.SENT))
    clock.shift(timedelta(minutes=1))
    work()
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "why")
    assert (message.sent_at is None, message.cost) == (False, message.price_per_segment)


@pytest.mark.django_db(transaction=True)
def test_many_workers_ask_once(api: Api, account: Account, carrier: Postman) -> None:
    agent = make_agent(account, carrier="postman")
    for number in range(20):
        to_number = f"+141555501{number + 10}"
        api.post(SMS, {"agentId": agent.native_id, "toNumber": to_number, "message": "Hello"})

    def take(_: int) -> list[str]:
        try:
            leased = lease_due(50, shares=Shares(), lease=LEASE, now=timezone.now())
            return [one.message.to_number for one in leased if one.is_ask]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        claimed = [number for numbers in threads.map(take, range(8)) for number in numbers]
    assert len(claimed) == len(set(claimed)) == 20


# Who is slow holds up nobody else -----------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """While it is shut, whoever waits at it waits."""
    gate = threading.Event()
    yield gate
    gate.set()


def post(account: Account, *, carrier: str, count: int, to_number: str = NUMBER) -> None:
    agent, api = (
        make_agent(account, carrier=carrier),
        Api(make_key(account, requests_per_minute=600)),
    )
    for _ in range(count):
        body = {"agentId": agent.native_id, "toNumber": to_number, "message": "Hello"}
        assert api.post(SMS, body).status_code == 201


def wait_for(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


class Worker:
    """One that works in a thread of its own until it is done."""

    def __init__(self) -> None:
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            sending().run(linger=0)
        finally:
            connection.close()

    def __enter__(self) -> "Worker":
        self.thread.start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_slow_account_holds_up_no_other(
    account: Account, carrier: Postman, gate: threading.Event
) -> None:
    """Its backlog is older and longer than all slots, and its carrier answers it late."""
    slow, quick = "+14155550111", "+14155550112"

    def accept(order: MessageOrder) -> Accepted:
        if order.to_number == slow:
            gate.wait(20)
        return carrier.accept(order)

    carrier.on_send = accept
    post(account, carrier="postman", count=SLOTS + 6, to_number=slow)
    post(make_account(name="Other"), carrier="postman", count=20, to_number=quick)
    with Worker():
        wait_for(lambda: [one.to_number for one in carrier.sent].count(quick) == 20)
        assert [one.to_number for one in carrier.sent].count(slow) == ACCOUNT_SHARE
        gate.set()
    assert len(carrier.sent) == SLOTS + 26
    assert len({order.message_id for order in carrier.sent}) == SLOTS + 26


@pytest.mark.django_db(transaction=True)
def test_a_slow_carrier_holds_up_no_other(
    db: None, carriers: dict[str, Postman], gate: threading.Event
) -> None:
    postman, courier = carriers["postman"], carriers["courier"]

    def accept(order: MessageOrder) -> Accepted:
        gate.wait(20)
        return postman.accept(order)

    postman.on_send = accept
    each = CARRIER_SHARE // 5
    for number in range(6):
        post(make_account(name=f"Clinic {number}"), carrier="postman", count=each)
    post(make_account(name="Other"), carrier="courier", count=20)
    with Worker():
        wait_for(lambda: len(courier.sent) == 20)
        assert len(postman.sent) == CARRIER_SHARE
        gate.set()
    assert len(postman.sent) == 6 * each


def test_more_lanes_than_slots_take_turns(db: None) -> None:
    for number in range(5):
        post(make_account(name=f"Clinic {number}"), carrier="simulated", count=2)
    shares, taken = Shares(), Counter[UUID]()
    for _ in range(2):
        leased = lease_due(3, shares=shares, lease=LEASE, now=timezone.now())
        assert len(leased) == 3
        for one in leased:
            shares.take(one.message.carrier, one.message.account_id)
            taken[one.message.account_id] += 1
    assert sorted(taken.values()) == [1, 1, 1, 1, 2]
