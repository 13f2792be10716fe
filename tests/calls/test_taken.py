"""Dials that carriers took, written down many at a time: each as if it had come alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Account
from calls import lifecycle
from calls.carriers.base import Accepted
from calls.dialing import claim_asks, claim_looks, dialing
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.questions import Job, Reply
from calls.reports import Report
from calls.shares import Shares
from tests.calls.story import StoryCarrier
from tests.factories import Api, make_agent


@pytest.fixture
def jobs(api: Api, account: Account, carrier: StoryCarrier) -> list[Job]:
    """The asks of three calls, which a worker has claimed."""
    agent = make_agent(account, carrier="story")
    for number in range(3):
        body = {"agentId": agent.native_id, "toNumber": f"+141555501{number + 20}"}
        assert api.post("/api/v1/calls/send", body).status_code == 201
    return claim_asks(10, shares=Shares())


def taken(job: Job, *, carrier_id: str = "") -> Reply:
    id = carrier_id or f"c-{job.order.to_number}"
    look_at = job.order.asked_at + timedelta(seconds=5)
    return Reply(job=job, outcome=Accepted(carrier_id=id, look_at=look_at))


def dial_of(job: Job) -> Dial:
    return Dial.objects.get(id=job.order.dial_id)


def types(job: Job) -> list[str]:
    return list(CallEvent.objects.filter(call=job.order.call_id).values_list("type", flat=True))


def test_each_has_its_own_answer_and_line(jobs: list[Job]) -> None:
    dialing().record([taken(job) for job in jobs])
    for job in jobs:
        dial = dial_of(job)
        assert (dial.status, dial.carrier_id) == ("dialing", f"c-{job.order.to_number}")
        assert dial.due_at == job.order.asked_at + timedelta(seconds=5)
        assert dial.lease_token is None
        assert types(job) == ["queued", "dialing", "accepted_by_carrier"]


def test_nobody_looks_after_the_deadline(jobs: list[Job]) -> None:
    late = Accepted(carrier_id="c-1", look_at=timezone.now() + timedelta(days=1))
    dialing().record([Reply(job=job, outcome=late) for job in jobs])
    assert all(dial.due_at == dial.deadline_at for dial in Dial.objects.all())


def test_one_that_was_canceled_meanwhile_is_due_at_once(api: Api, jobs: list[Job]) -> None:
    canceled, *others = jobs
    assert api.post(f"/api/v1/calls/call_{canceled.order.call_id.hex}/cancel").status_code == 200
    dialing().record([taken(job) for job in jobs])
    assert dial_of(canceled).due_at <= timezone.now()
    assert all(dial_of(job).due_at > timezone.now() for job in others)
    assert types(canceled)[-1] == "accepted_by_carrier"


def test_one_that_was_answered_meanwhile_stays_answered(jobs: list[Job]) -> None:
    answered, *others = jobs
    report = Report(DialStatus.IN_PROGRESS, timezone.now())
    lifecycle.apply(dial_id=answered.order.dial_id, report=report)
    dialing().record([taken(job) for job in jobs])
    assert Call.objects.get(id=answered.order.call_id).status == "in_progress"
    assert types(answered) == ["queued", "dialing", "in_progress"]
    assert dial_of(answered).carrier_id == f"c-{answered.order.to_number}"
    assert [types(job)[-1] for job in others] == ["accepted_by_carrier"] * 2


def test_one_whose_lease_another_worker_has_keeps_its_time(jobs: list[Job]) -> None:
    lost, *others = jobs
    due_at = timezone.now() + timedelta(minutes=3)
    Dial.objects.filter(id=lost.order.dial_id).update(lease_token=lost.order.call_id, due_at=due_at)
    dialing().record([taken(job) for job in jobs])
    assert dial_of(lost).lease_token == lost.order.call_id
    assert all(dial_of(job).lease_token is None for job in others)


@pytest.mark.django_db(transaction=True)
def test_one_that_cannot_be_kept_takes_no_other_with_it(jobs: list[Job]) -> None:
    first, *others = jobs
    dialing().record([taken(first, carrier_id="\0"), *(taken(job) for job in others)])
    assert {dial_of(job).status for job in others} == {"dialing"}


# With others at the same rows ---------------------------------------------------------------------


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """`work` in a thread of its own, begun before what is done here has been committed."""
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            yield
            waiting = threads.submit(with_own_connection, work)
            assert not done_within(waiting, seconds=0.3)
        waiting.result(20)


def with_own_connection(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        connection.close()


def done_within(future: "Future[None]", *, seconds: float) -> bool:
    return bool(wait([future], timeout=seconds).done)


@pytest.mark.django_db(transaction=True)
def test_a_report_that_is_being_taken_outweighs_the_answer(jobs: list[Job]) -> None:
    answered, *others = jobs
    with beside(lambda: dialing().record([taken(job) for job in jobs])):
        report = Report(DialStatus.IN_PROGRESS, timezone.now())
        lifecycle.apply(dial_id=answered.order.dial_id, report=report)
    assert dial_of(answered).status == "in_progress"
    assert dial_of(answered).carrier_id == f"c-{answered.order.to_number}"
    assert types(answered) == ["queued", "dialing", "in_progress"]
    assert {dial_of(job).status for job in others} == {"dialing"}


@pytest.mark.django_db(transaction=True)
def test_a_call_that_is_being_canceled_is_due_at_once(jobs: list[Job]) -> None:
    canceled, *others = jobs
    with beside(lambda: dialing().record([taken(job) for job in jobs])):
        lifecycle.cancel(canceled.order.call_id, now=timezone.now())
    assert dial_of(canceled).due_at <= timezone.now()
    assert all(dial_of(job).due_at > timezone.now() for job in others)


@pytest.mark.django_db(transaction=True)
def test_a_report_leaves_the_lease_to_whoever_takes_it_meanwhile(jobs: list[Job]) -> None:
    dialing().record([taken(job) for job in jobs])
    Dial.objects.update(due_at=timezone.now())
    ringing = jobs[0].order.dial_id
    report = Report(DialStatus.RINGING, timezone.now())
    with beside(lambda: lifecycle.apply(dial_id=ringing, report=report)):
        leased = {job.order.dial_id: job.token for job in claim_looks(10, shares=Shares())}
        until = Dial.objects.get(id=ringing).due_at
    dial = Dial.objects.get(id=ringing)
    assert (dial.status, dial.lease_token, dial.due_at) == ("ringing", leased[ringing], until)
