"""Reports about messages, in whatever order and number: forward, once, to one end, paid once."""

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Account, Agent, LedgerEntry
from calls import message_lifecycle as lifecycle
from calls.models import Message, MessageStatus
from calls.reports import MessageReport
from core.ids import new_id
from tests.factories import NUMBER, Api, make_account, make_agent, make_key
from webhooks.models import Event

T0 = timezone.now().replace(microsecond=0)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


SENT = MessageReport(MessageStatus.SENT, after(1))
DELIVERED = MessageReport(MessageStatus.DELIVERED, after(3))
FAILED = MessageReport(MessageStatus.FAILED, after(2), reason="rejected")
UNDELIVERED = MessageReport(MessageStatus.FAILED, after(4), reason="rejected", sent_at=after(1))
SENDING = MessageReport(MessageStatus.SENDING, after(0))


@pytest.fixture
def message(api: Api, agent: Agent) -> Message:
    return message_of(api, agent)


def message_of(api: Api, agent: Agent) -> Message:
    """One that its carrier was asked to send."""
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "a" * 161}
    message_id = api.post("/api/v1/sms/send", body).json()["messageId"]
    message = Message.objects.get(id=message_id.removeprefix("sms_"))
    lifecycle.begin_ask(message, now=T0)
    message.save()
    return message


def apply(message: Message, *reports: MessageReport) -> None:
    for report in reports:
        lifecycle.apply(message_id=message.id, report=report)
    message.refresh_from_db()


def told(message: Message) -> list[str]:
    events = Event.objects.filter(subject=message.native_id).order_by("created_at", "id")
    return list(events.values_list("type", flat=True))


@pytest.mark.parametrize("order", list(itertools.permutations([SENDING, SENT, DELIVERED])))
def test_any_order_of_a_delivery_ends_the_same(
    message: Message, order: tuple[MessageReport, ...]
) -> None:
    apply(message, *order, *order)
    assert (message.status, message.ended_at) == ("delivered", DELIVERED.at)
    assert told(message) == ["sms.sent", "sms.delivered"]
    assert message.cost == Decimal(1)
    assert message.due_at is None


def test_what_failed_before_it_was_sent_costs_nothing(message: Message, account: Account) -> None:
    apply(message, FAILED, SENT, DELIVERED)
    assert (message.status, message.reason, message.sent_at) == ("failed", "rejected", None)
    assert told(message) == ["sms.failed"]
    assert message.cost == 0
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal(1000), Decimal(0))


@pytest.mark.parametrize("reports", [(SENT, FAILED), (UNDELIVERED,), (UNDELIVERED, SENT)])
def test_what_failed_after_it_was_sent_is_paid_for(
    message: Message, account: Account, reports: tuple[MessageReport, ...]
) -> None:
    apply(message, *reports)
    assert (message.status, message.sent_at) == ("failed", SENT.at)
    assert told(message) == ["sms.sent", "sms.failed"]
    assert message.cost == Decimal(1)
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal(999), Decimal(0))


def test_a_delivery_before_its_sending_takes_no_time(message: Message) -> None:
    apply(message, SENT, MessageReport(MessageStatus.DELIVERED, after(-5)))
    assert message.ended_at == message.sent_at


def test_events_show_the_message_and_are_numbered(message: Message, api: Api) -> None:
    apply(message, SENT, DELIVERED)
    bodies = [json.loads(event.body) for event in Event.objects.order_by("created_at", "id")]
    sent, delivered = (body["data"] for body in bodies)
    assert [body["event"] for body in bodies] == ["sms.sent", "sms.delivered"]
    assert (sent["status"], sent["sequence"], sent["deliveredAt"]) == ("sent", 1, None)
    now = api.get(f"/api/v1/sms/{message.native_id}").json()
    assert delivered == {"messageId": now.pop("id"), **now, "sequence": 2}


def test_giving_up_on_what_was_sent_leaves_it_be(message: Message) -> None:
    message.lease_token = new_id()
    message.due_at = T0
    message.save()
    apply(message, SENT)
    give_up(message)
    assert (message.status, message.reason) == ("sent", "")
    assert message.due_at is None
    apply(message, DELIVERED)
    assert message.status == "delivered"


def test_giving_up_is_for_who_has_the_lease(message: Message) -> None:
    message.lease_token = new_id()
    message.save()
    lifecycle.give_up(message_id=message.id, token=new_id(), reason="late", now=T0)
    message.refresh_from_db()
    assert message.status == "sending"
    give_up(message)
    assert (message.status, message.reason) == ("failed", "carrier_unknown")


def give_up(message: Message) -> None:
    lifecycle.give_up(
        message_id=message.id, token=message.lease_token, reason="carrier_unknown", now=T0
    )
    message.refresh_from_db()


REPORTS = st.builds(
    MessageReport,
    status=st.sampled_from(
        [
            MessageStatus.SENDING,
            MessageStatus.SENT,
            MessageStatus.DELIVERED,
            MessageStatus.FAILED,
        ]
    ),
    at=st.integers(-5, 20).map(after),
    sent_at=st.none() | st.integers(0, 10).map(after),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(reports=st.lists(REPORTS, max_size=8), gives_up=st.integers(0, 8))
def test_whatever_is_reported_the_books_balance_and_the_end_is_one(
    db: None, reports: list[MessageReport], gives_up: int
) -> None:
    account = make_account(credits="5")
    message = message_of(Api(make_key(account)), make_agent(account))
    seen: list[str] = [message.status]
    for number, report in enumerate(reports):
        if number == gives_up:
            give_up(message)
            seen.append(message.status)
        apply(message, report)
        seen.append(message.status)

    assert_forward(seen)
    assert_told_once(told(message), message)
    assert_books_balance(account, message)


def assert_forward(seen: Sequence[str]) -> None:
    ranks = [lifecycle.ORDER[MessageStatus(status)] for status in seen]
    assert ranks == sorted(ranks)
    assert len({status for status in seen if status in ("delivered", "failed")}) <= 1


def assert_told_once(events: Sequence[str], message: Message) -> None:
    ends = {"delivered": ["sms.delivered"], "failed": ["sms.failed"]}
    sent = ["sms.sent"] if message.sent_at else []
    assert list(events) == sent + ends.get(message.status, [])
    assert message.events_published == len(events)


def assert_books_balance(account: Account, message: Message) -> None:
    account.refresh_from_db()
    sums = LedgerEntry.objects.filter(account=account).aggregate(Sum("credits"), Sum("reserved"))
    assert (sums["credits__sum"], sums["reserved__sum"]) == (account.credits, account.reserved)
    assert account.reserved == message.reserved
    is_settled = message.is_terminal or message.sent_at is not None
    assert message.reserved == (0 if is_settled else 1)
    assert message.cost == ((1 if message.sent_at else 0) if is_settled else None)
    assert account.credits == 5 - message.reserved - (message.cost or 0)


@pytest.mark.django_db(transaction=True)
def test_reports_that_race_end_the_message_once(api: Api, agent: Agent) -> None:
    message = message_of(api, agent)
    reports = [DELIVERED, SENT, FAILED, UNDELIVERED] * 6

    def report(one: MessageReport) -> bool:
        try:
            return lifecycle.apply(message_id=message.id, report=one)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        moves = list(threads.map(report, reports))

    message.refresh_from_db()
    assert message.is_terminal
    assert 1 <= moves.count(True) <= 2
    assert_told_once(told(message), message)
    assert LedgerEntry.objects.filter(kind="release").count() == 1
    assert Account.objects.get().reserved == 0
