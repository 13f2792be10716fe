"""Each call and each attempt is counted once, in the span it belongs to, however late it comes."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.models import Sum

from agents.models import Account, Agent
from calls.lifecycle import note
from calls.models import Call, CallEvent
from core.histogram import percentile
from operations import rollups
from operations.models import AccountCallRollup, AttemptRollup, CallRollup, Watermark
from operations.rollups import roll_up
from operations.spans import Span
from tests.factories import Api, make_account, make_agent
from tests.operations.conftest import AT, EndCall
from tests.operations.watching import at_once
from tests.receiver import Receiver, Reply
from webhooks.services import subscribe

HOUR = AT.replace(minute=0)
Work = Callable[..., None]


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """It is the day after: figures of long ago are not kept."""
    with time_machine.travel(AT + timedelta(days=1), tick=True) as coordinates:
        yield coordinates


def hours() -> list[tuple[datetime, str, int]]:
    rows = CallRollup.objects.filter(span=Span.HOUR).order_by("at", "outcome")
    return [(row.at, row.outcome, row.calls) for row in rows]


def everything() -> list[dict[str, Any]]:
    names = ["span", "at", "account", "agent", "carrier", "mode", "outcome", "reason"]
    sums = ["calls", "talk_seconds", "cost"]
    return list(CallRollup.objects.order_by(*names).values(*names, *sums))


def test_calls_are_counted_by_all_that_tells_them_apart(
    end_call: EndCall, agent: Agent, rolled_up: Callable[[], None]
) -> None:
    end_call(talked=61, cost=Decimal(2))
    end_call(talked=30, cost=Decimal(1))
    end_call(status="failed", talked=None, reason="carrier_silent", cost=Decimal(0))
    end_call(status="failed", talked=None, reason="an engine's own words", mode="test")

    rolled_up()

    found = CallRollup.objects.filter(span=Span.HOUR).order_by("outcome", "reason")
    assert [
        (row.mode, row.outcome, row.reason, row.calls, row.talk_seconds, row.cost) for row in found
    ] == [
        ("live", "completed", "", 2, 91, Decimal(3)),
        ("live", "failed", "carrier_silent", 1, 0, Decimal(0)),
        ("test", "failed", "other", 1, 0, Decimal(1)),
    ]
    assert {(row.account_id, row.agent_id, row.at) for row in found} == {
        (agent.account_id, agent.id, HOUR)
    }


def test_each_span_adds_up(end_call: EndCall, rolled_up: Callable[[], None]) -> None:
    for minutes in (0, 1, 10, 60, 24 * 60):
        end_call(at=AT + timedelta(minutes=minutes), talked=0)

    with time_machine.travel(AT + timedelta(days=1)):
        rolled_up()

    counted = {
        span.value: list(
            CallRollup.objects.filter(span=span).order_by("at").values_list("at", "calls")
        )
        for span in Span
    }
    day = timedelta(days=1)
    midnight = HOUR.replace(hour=0)
    assert counted[Span.DAY] == [(midnight, 4), (midnight + day, 1)]
    assert counted[Span.HOUR] == [(HOUR, 3), (HOUR + timedelta(hours=1), 1), (HOUR + day, 1)]
    assert counted[Span.FIVE_MINUTES][0] == (AT.replace(minute=5), 2)


def test_counting_again_changes_nothing(end_call: EndCall, rolled_up: Callable[[], None]) -> None:
    end_call()
    rolled_up()
    before = everything()

    rolled_up()
    call_command("rebuild_rollups")

    assert everything() == before


def test_a_late_end_is_counted_in_its_own_hour(
    end_call: EndCall, rolled_up: Callable[[], None]
) -> None:
    end_call(at=AT + timedelta(hours=5))
    rolled_up()
    end_call(at=AT)
    rolled_up()

    assert hours() == [(HOUR, "completed", 1), (HOUR + timedelta(hours=5), "completed", 1)]


def test_a_call_that_was_tried_again_counts_once(
    api: Api, agent: Agent, work: Work, rolled_up: Callable[[], None]
) -> None:
    order = {
        "agentId": agent.native_id,
        "toNumber": "+14155550101",
        "retry": {"causes": ["busy"], "attempts": 3, "gaps": [60]},
    }
    answer = api.post("/api/v1/calls/send", order)
    assert answer.status_code == 201, answer.content
    for _ in range(6):
        work(for_=timedelta(seconds=45))
        rolled_up()

    assert CallEvent.objects.filter(type="busy").count() == 3
    assert [(outcome, calls) for _, outcome, calls in hours()] == [("busy", 1)]


def test_a_call_under_way_is_counted_at_its_end(
    api: Api, agent: Agent, work: Work, rolled_up: Callable[[], None]
) -> None:
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": "+14155550123"})
    rolled_up()
    assert hours() == []

    work()
    rolled_up()

    call = Call.objects.get()
    row = CallRollup.objects.get(span=Span.DAY)
    assert (row.outcome, row.calls, row.cost) == ("completed", 1, call.cost)


def test_a_backlog_is_counted_in_batches(
    end_call: EndCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(7):
        end_call(at=AT + timedelta(minutes=minute), talked=0)
    monkeypatch.setattr(rollups, "BATCH", 2)

    assert not roll_up(seconds=0)
    some = sum(calls for *_, calls in hours())
    assert roll_up()

    assert 0 < some < 7
    assert sum(calls for *_, calls in hours()) == 7


def test_a_batch_that_breaks_counts_nothing(
    end_call: EndCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_call()
    with monkeypatch.context() as broken:
        broken.setattr(Watermark, "save", _break)
        with pytest.raises(RuntimeError), transaction.atomic():
            roll_up()
    assert hours() == []

    assert roll_up()
    assert hours() == [(HOUR, "completed", 1)]


def _break(*args: object, **options: object) -> None:
    raise RuntimeError


def test_attempts_are_counted_by_webhook(
    api: Api, agent: Agent, work: Work, receiver: Receiver, rolled_up: Callable[[], None]
) -> None:
    subscription, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    receiver.reply = lambda request: Reply(status=500 if len(receiver.requests) == 1 else 200)
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": "+14155550123"})
    work()

    rolled_up()
    rolled_up()

    rows = AttemptRollup.objects.filter(span=Span.DAY, subscription=subscription)
    sums = rows.aggregate(attempts=Sum("attempts"), failures=Sum("failures"))
    assert sums == {"attempts": 2, "failures": 1}
    assert percentile(dict(rows.values_list("took", "attempts")), 50) is not None


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite commits ids in their order")
@pytest.mark.django_db(transaction=True)
def test_rows_that_are_committed_out_of_order_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make_agent(make_account())
    monkeypatch.setattr("operations.settled.WAIT_SECONDS", 0.2)
    early, late = _ended(agent), _ended(agent)
    written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            note(early, type="completed", at=AT)
            written.set()
            may_commit.wait(20)
        connections.close_all()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    written.wait(20)
    note(late, type="completed", at=AT)  # a higher id, committed first

    assert not roll_up()
    assert hours() == []

    may_commit.set()
    writer.join()
    assert roll_up()
    assert hours() == [(HOUR, "completed", 2)]


def _ended(agent: Agent) -> Call:
    return Call.objects.create(
        account=agent.account,
        agent=agent,
        mode="live",
        carrier="simulated",
        status="completed",
        to_number="+14155550123",
        from_number="+14155550100",
        ring_timeout=30,
        max_duration=600,
        created_at=AT,
        started_at=AT,
        ended_at=AT,
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="threads race on PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_two_that_count_at_once_count_once() -> None:
    agent = make_agent(make_account())
    for _ in range(20):
        note(_ended(agent), type="completed", at=AT)
    at_once(roll_up, times=4)

    assert hours() == [(HOUR, "completed", 20)]


def test_an_account_that_goes_takes_its_figures_along(
    end_call: EndCall, account: Account, rolled_up: Callable[[], None]
) -> None:
    end_call()
    rolled_up()
    Call.objects.all().delete()
    account.ledger.all().delete()
    account.delete()
    assert hours() == []
    assert not AccountCallRollup.objects.exists()
