"""Reports of carriers, in whatever order and number: forward, once, to one end."""

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Account, Agent, LedgerEntry
from calls import begun, lifecycle
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.reports import Report
from tests.factories import NUMBER, Api
from webhooks.models import Event

T0 = timezone.now().replace(microsecond=0) - timedelta(hours=1)
RINGING = Report(DialStatus.RINGING, T0 + timedelta(seconds=1))
ANSWERED = Report(DialStatus.IN_PROGRESS, T0 + timedelta(seconds=3))
COMPLETED = Report(DialStatus.COMPLETED, T0 + timedelta(seconds=10))
BUSY = Report(DialStatus.BUSY, T0 + timedelta(seconds=2))


@pytest.fixture
def dial(api: Api, agent: Agent) -> Dial:
    return dial_of(api, agent)


def dial_of(api: Api, agent: Agent) -> Dial:
    body = {"agentId": agent.native_id, "toNumber": NUMBER}
    api.post("/api/v1/calls/send", body)
    call = Call.objects.order_by("created_at").last()
    assert call
    [dial] = begin(call.id)
    return dial


def begin(call_id: UUID) -> list[Dial]:
    with transaction.atomic():
        calls = begun.take_waiting([call_id])
        return begun.begin_dials(calls, lease=timedelta(seconds=15), now=T0)


def told() -> list[str]:
    return list(Event.objects.order_by("created_at", "id").values_list("type", flat=True))


@pytest.mark.parametrize("order", list(itertools.permutations([RINGING, ANSWERED, COMPLETED])))
def test_any_order_ends_the_same(dial: Dial, order: tuple[Report, ...]) -> None:
    for report in (*order, *order):
        lifecycle.apply(dial_id=dial.id, report=report)

    call = Call.objects.get()
    assert call.status == "completed"
    assert call.ended_at == COMPLETED.at
    assert told() == ["call.started", "call.completed"]
    assert LedgerEntry.objects.filter(kind="charge").count() == 1
    assert Account.objects.get().reserved == 0


def test_an_end_implies_the_answer(dial: Dial) -> None:
    report = Report(DialStatus.COMPLETED, COMPLETED.at, answered_at=ANSWERED.at)
    assert lifecycle.apply(dial_id=dial.id, report=report)
    call = Call.objects.get()
    assert (call.started_at, call.duration) == (ANSWERED.at, 7)
    assert told() == ["call.started", "call.completed"]


def test_voicemail_was_answered_by_a_machine(dial: Dial) -> None:
    lifecycle.apply(dial_id=dial.id, report=Report(DialStatus.VOICEMAIL, COMPLETED.at))
    assert Call.objects.get().status == "voicemail"
    assert told() == ["call.started", "call.completed"]


def test_a_verdict_before_the_end_counts_at_the_end(dial: Dial) -> None:
    verdict = Report(DialStatus.IN_PROGRESS, ANSWERED.at, answered_by="machine")
    for report in (RINGING, ANSWERED, verdict, verdict):
        lifecycle.apply(dial_id=dial.id, report=report)
    assert Call.objects.get().status == "in_progress"
    assert Dial.objects.get().answered_by == "machine"
    lifecycle.apply(dial_id=dial.id, report=COMPLETED)
    assert Call.objects.get().status == "voicemail"
    assert told() == ["call.started", "call.completed"]


def test_a_verdict_after_the_end_is_too_late(dial: Dial) -> None:
    lifecycle.apply(dial_id=dial.id, report=COMPLETED)
    verdict = Report(DialStatus.IN_PROGRESS, ANSWERED.at, answered_by="machine")
    assert not lifecycle.apply(dial_id=dial.id, report=verdict)
    assert (Call.objects.get().status, Dial.objects.get().answered_by) == ("completed", "")


@pytest.mark.parametrize("status", ["busy", "no_answer", "failed", "canceled"])
def test_the_ends_that_are_failures(dial: Dial, status: str) -> None:
    report = Report(DialStatus(status), BUSY.at, reason="why")
    assert lifecycle.apply(dial_id=dial.id, report=report)
    call = Call.objects.get()
    assert (call.status, call.reason, call.duration) == (status, "why", None)
    assert call.cost == 0
    assert told() == ["call.failed"]


def test_events_are_numbered_within_their_call(dial: Dial) -> None:
    for report in (ANSWERED, COMPLETED):
        lifecycle.apply(dial_id=dial.id, report=report)
    bodies = [json.loads(event.body) for event in Event.objects.order_by("created_at", "id")]
    assert [(body["event"], body["data"]["sequence"]) for body in bodies] == [
        ("call.started", 1),
        ("call.completed", 2),
    ]


def test_an_end_is_final(dial: Dial) -> None:
    lifecycle.apply(dial_id=dial.id, report=BUSY)
    for report in (RINGING, ANSWERED, COMPLETED, BUSY):
        assert not lifecycle.apply(dial_id=dial.id, report=report)
    assert Call.objects.get().status == "busy"
    assert told() == ["call.failed"]


def test_an_end_before_its_answer_lasts_no_time(dial: Dial) -> None:
    lifecycle.apply(dial_id=dial.id, report=ANSWERED)
    early = Report(DialStatus.COMPLETED, ANSWERED.at - timedelta(seconds=5))
    lifecycle.apply(dial_id=dial.id, report=early)
    assert Call.objects.get().duration == 0


@pytest.mark.parametrize(("seconds", "cost"), [(0, 1), (60, 1), (60.5, 2), (600, 10), (700, 10)])
def test_started_minutes_are_charged_up_to_what_was_reserved(
    dial: Dial, seconds: float, cost: int
) -> None:
    lifecycle.apply(dial_id=dial.id, report=ANSWERED)
    end = ANSWERED.at + timedelta(seconds=seconds)
    lifecycle.apply(dial_id=dial.id, report=Report(DialStatus.COMPLETED, end))
    assert Call.objects.get().cost == cost
    assert Account.objects.get().credits == 1000 - cost


def test_a_dial_is_begun_once(dial: Dial) -> None:
    assert begin(dial.call_id) == []
    assert Dial.objects.count() == 1


@pytest.fixture
def in_threads() -> Iterator[Callable[[Callable[[], object], int], list[object]]]:
    with ThreadPoolExecutor(8) as threads:

        def run(action: Callable[[], object], times: int) -> list[object]:
            def one(_: int) -> object:
                try:
                    return action()
                finally:
                    connection.close()

            return list(threads.map(one, range(times)))

        yield run


Threads = Callable[[Callable[[], object], int], list[object]]


@pytest.mark.django_db(transaction=True)
def test_two_workers_begin_one_dial(api: Api, agent: Agent, in_threads: Threads) -> None:
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    call = Call.objects.get()

    begun = in_threads(lambda: begin(call.id), 8)
    assert len([dials for dials in begun if dials]) == 1
    assert Dial.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_reports_that_race_end_the_call_once(api: Api, agent: Agent, in_threads: Threads) -> None:
    dial = dial_of(api, agent)
    reports = itertools.cycle([COMPLETED, RINGING, ANSWERED, BUSY])

    def report() -> bool:
        return lifecycle.apply(dial_id=dial.id, report=next(reports))

    in_threads(report, 24)

    call = Call.objects.get()
    ends = CallEvent.objects.filter(type__in=["completed", "busy"])
    assert [line.type for line in ends] == [call.status]
    assert told().count("call.completed") + told().count("call.failed") == 1
    assert Account.objects.get().reserved == 0
    assert LedgerEntry.objects.filter(kind="release").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_last_credits_are_spent_and_no_more(
    api: Api, agent: Agent, in_threads: Threads
) -> None:
    Account.objects.update(credits=50)
    body = {"agentId": agent.native_id, "toNumber": NUMBER}

    def send() -> int:
        return int(api.post("/api/v1/calls/send", body).status_code)

    answers = in_threads(send, 20)
    assert (answers.count(201), answers.count(402)) == (5, 15)
    account = Account.objects.get()
    assert account.credits == 0
    assert account.reserved == 50


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_carriers_wrong_clock_changes_neither_the_bill_nor_the_deadline(
    api: Api, agent: Agent, minutes: int
) -> None:
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    with transaction.atomic():
        calls = begun.take_waiting([Call.objects.get().id])
        [dial] = begun.begin_dials(calls, lease=timedelta(seconds=15), now=timezone.now())
    off = timedelta(minutes=minutes)
    for status in (DialStatus.RINGING, DialStatus.IN_PROGRESS):
        lifecycle.apply(dial_id=dial.id, report=Report(status, timezone.now() + off))
    dial.refresh_from_db()
    assert abs(dial.deadline_at - timezone.now() - timedelta(seconds=600)) < timedelta(seconds=5)
    lifecycle.apply(dial_id=dial.id, report=Report(DialStatus.COMPLETED, timezone.now()))
    assert Call.objects.get().cost == 1
    assert Call.objects.get().duration in (0, 1)
