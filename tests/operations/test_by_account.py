"""The dashboard reads rollups by account where they are level, and shows the same without them."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection

from agents.models import Account, Agent
from operations.by_account import ATTEMPTS, CALLS, ByAccount
from operations.models import AccountAttemptRollup, AccountCallRollup, Watermark
from operations.rollups import roll_up
from operations.spans import Slot
from tests.factories import make_agent
from tests.operations.conftest import AT, EndCall
from tests.operations.watching import at_once
from tests.operator import Operator
from webhooks.models import Attempt, Delivery, Event, Subscription
from webhooks.services import subscribe

RollUp = Callable[[], None]
RANGES = ("hour", "day", "week", "month")


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(AT + timedelta(minutes=3), tick=True) as coordinates:
        yield coordinates


@pytest.fixture
def history(clock: Any, end_call: EndCall, agent: Agent, stranger: Account) -> None:
    """Calls of two accounts, and attempts, of some minutes, hours and days."""
    other = make_agent(stranger)
    second = make_agent(agent.account)
    webhook, _ = subscribe(agent.account, url="https://example.org/", events=["call.completed"])
    for back in (0, 1, 30, 60 * 5, 60 * 30, 60 * 24 * 6, 60 * 24 * 20):
        at = AT - timedelta(minutes=back)
        end_call(at=at, carrier="twilio")
        end_call(at=at, agent=second, mode="test")
        end_call(at=at, agent=other, status="failed", talked=None, reason="carrier_silent")
        make_attempt(webhook, at=at)


def make_attempt(webhook: Subscription, *, at: Any, failure: str = "timeout") -> None:
    event = Event.objects.create(
        account=webhook.account, type="call.completed", body="{}", created_at=at
    )
    delivery = Delivery.objects.create(event=event, subscription=webhook, created_at=at)
    Attempt.objects.create(
        delivery=delivery, number=1, started_at=at, duration=0.1, failure=failure
    )


def shown(operator: Operator) -> list[Any]:
    """All that the charts have, and what was spent."""
    pages = [operator.get("", range=name).context for name in RANGES]
    return [[page["calls"], page["webhooks"], page["balances"]] for page in pages]


def forget(figures: ByAccount) -> None:
    """As a version leaves it that did not have them."""
    figures.rollup._default_manager.all().delete()
    Watermark.objects.filter(name=figures.name).update(by_account_to=None)


def mark() -> Watermark:
    return Watermark.objects.get(name=CALLS.name)


def rows() -> list[Any]:
    calls = AccountCallRollup.objects.order_by("slot", "at", "account", "mode", "outcome")
    attempts = AccountAttemptRollup.objects.order_by("slot", "at", "account", "took")
    return [
        *calls.values_list("slot", "at", "account", "mode", "outcome", "calls", "cost"),
        *attempts.values_list("slot", "at", "account", "took", "attempts", "failures"),
    ]


def test_they_are_added_up_over_agents_and_carriers(
    clock: Any, end_call: EndCall, agent: Agent, rolled_up: RollUp
) -> None:
    end_call(talked=61, cost=Decimal(2))
    end_call(talked=0, agent=make_agent(agent.account), carrier="twilio", cost=Decimal("0.5"))
    end_call(mode="test")
    rolled_up()

    live = AccountCallRollup.objects.filter(mode="live").order_by("slot")
    assert [(row.slot, row.at.hour, row.calls, row.cost) for row in live] == [
        (Slot.FIVE_MINUTES, 14, 2, Decimal("2.5")),
        (Slot.HOUR, 14, 2, Decimal("2.5")),
        (Slot.QUARTER_DAY, 12, 2, Decimal("2.5")),
        (Slot.DAY, 0, 2, Decimal("2.5")),
    ]


@pytest.mark.usefixtures("history")
def test_after_an_upgrade_figures_are_right_before_and_after_the_first_count(
    agent: Agent, rolled_up: RollUp
) -> None:
    everyone = Operator()
    somebody = Operator(username="oscar", role="Owner", accounts=[agent.account])
    rolled_up()
    pages, counted = [shown(everyone), shown(somebody)], rows()
    assert pages[0] != pages[1]
    for figures in (CALLS, ATTEMPTS):
        forget(figures)

    assert [shown(everyone), shown(somebody)] == pages

    rolled_up()
    assert rows() == counted
    assert [shown(everyone), shown(somebody)] == pages


@pytest.mark.usefixtures("history")
def test_what_a_version_before_counts_is_not_missing(end_call: EndCall, rolled_up: RollUp) -> None:
    operator = Operator()
    rolled_up()
    calls, counted_to = list(AccountCallRollup.objects.all()), mark().counted_to
    end_call()
    rolled_up()
    counted, page = rows(), shown(operator)
    # So the other would leave it.
    AccountCallRollup.objects.all().delete()
    AccountCallRollup.objects.bulk_create(calls)
    Watermark.objects.filter(name=CALLS.name).update(by_account_to=counted_to)
    assert mark().counted_to > counted_to

    assert shown(operator) == page

    end_call()
    rolled_up()
    assert sum(row[5] for row in rows()) == sum(row[5] for row in counted) + len(Slot)


@pytest.mark.usefixtures("history")
def test_what_is_no_longer_in_the_logs_is_still_known(rolled_up: RollUp) -> None:
    operator = Operator()
    rolled_up()
    page = shown(operator)
    Delivery.objects.all().delete()
    forget(ATTEMPTS)

    rolled_up()

    assert shown(operator) == page


@pytest.mark.usefixtures("history")
def test_rebuilt_they_are_the_same(rolled_up: RollUp) -> None:
    rolled_up()
    before = rows()
    AccountCallRollup.objects.update(calls=7)

    call_command("rebuild_rollups")

    assert rows() == before


@pytest.mark.skipif(connection.vendor != "postgresql", reason="threads race on PostgreSQL")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("history")
def test_two_that_fill_them_at_once_fill_them_once(end_call: EndCall) -> None:
    assert roll_up()
    for figures in (CALLS, ATTEMPTS):
        forget(figures)
    end_call()
    at_once(roll_up, times=4)

    days = AccountCallRollup.objects.filter(slot=Slot.DAY)
    assert sum(day.calls for day in days) == 22
