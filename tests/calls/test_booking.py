"""Calls of one account that come in together are written together, each as if alone."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DataError, connection, connections
from django.utils import timezone

from agents.models import Account, Agent, LedgerEntry
from calls import booking
from calls.booking import Booking, book
from calls.models import Call, CallEvent
from core.errors import InsufficientCredits
from tests.factories import Api, make_account, make_agent, make_key

THREADS = 16
ORDERS = 120
PATIENCE_SECONDS = 20

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite writes one after the other"
)
pytestmark = pytest.mark.django_db(transaction=True)


def place_all(account: Account, agent: Agent) -> list[Any]:
    """The answers to as many orders, from as many threads as a web process has."""
    key = make_key(account, requests_per_minute=1_000_000)

    def place(number: int) -> Any:
        try:
            order = {"agentId": agent.native_id, "toNumber": f"+1415555{2000 + number}"}
            return Api(key).post("/api/v1/calls/send", {**order, "params": {"n": number}})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(place, range(ORDERS)))


def test_no_more_is_accepted_than_there_is_credit_for() -> None:
    account = make_account(credits="405")
    agent = make_agent(account, carrier="dialer", max_duration=600)

    answers = place_all(account, agent)

    # Ten minutes at one credit each: 40 calls, and 5 credits left that nobody gets one for.
    assert Counter(answer.status_code for answer in answers) == {201: 40, 402: ORDERS - 40}
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal(5), Decimal(400))
    reserved = LedgerEntry.objects.filter(account=account, kind="reserve")
    calls = Call.objects.filter(account=account)
    assert {entry.subject_id for entry in reserved} == {call.id for call in calls}
    assert CallEvent.objects.filter(call__account=account).count() == 40


def test_each_is_kept_as_it_was_ordered() -> None:
    account = make_account(credits=None)
    agent = make_agent(account, carrier="dialer")

    answers = place_all(account, agent)

    ids = [answer.json()["callId"] for answer in answers]
    assert len(set(ids)) == ORDERS
    kept = {call.native_id: call for call in Call.objects.filter(account=account)}
    for number, call_id in enumerate(ids):
        call = kept[call_id]
        assert (call.to_number, call.params) == (f"+1415555{2000 + number}", {"n": number})
        assert [line.type for line in call.timeline.all()] == ["queued"]


@on_postgresql
def test_who_comes_while_one_is_written_is_written_with_the_others() -> None:
    orders = bookings(THREADS)
    with account_locked(orders[0].call.account_id) as waits:
        outcomes = book_all(orders, until=waits)
    assert outcomes() == [None] * THREADS
    # Rows of one transaction have the same xmin.
    assert rows("SELECT count(DISTINCT xmin::text), count(*) FROM calls_call") == (2, THREADS)


@on_postgresql
def test_what_the_database_cannot_keep_is_refused_and_its_neighbours_are_kept() -> None:
    orders = bookings(THREADS)
    orders[3].call.client_address = "fe80::1%eth0"
    with account_locked(orders[0].call.account_id) as waits:
        outcomes = book_all(orders, until=waits)
    failures = outcomes()
    assert [type(one) for one in failures if one] == [DataError]
    assert rows("SELECT count(*) FROM calls_call") == (THREADS - 1,)


@on_postgresql
def test_a_lost_connection_costs_nobody_a_call() -> None:
    orders = bookings(THREADS)
    with account_locked(orders[0].call.account_id) as waits:
        outcomes = book_all(orders, until=waits)
        rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    assert outcomes() == [None] * THREADS
    assert rows("SELECT count(*) FROM calls_call") == (THREADS,)
    account = Account.objects.get()
    assert account.reserved == sum(order.call.reserved for order in orders)


@on_postgresql
def test_what_was_written_though_the_answer_was_lost_is_not_written_twice() -> None:
    (order,) = bookings(1)
    book(order.call, lines=order.lines)
    booking._book_again(order)
    assert rows("SELECT count(*) FROM calls_call") == (1,)


@on_postgresql
def test_what_cannot_be_paid_is_asked_once(django_assert_num_queries: Any) -> None:
    (order,) = bookings(1)
    order.call.reserved = Decimal(1_000_000)
    with django_assert_num_queries(1), pytest.raises(InsufficientCredits):
        book(order.call, lines=order.lines)
    with pytest.raises(InsufficientCredits):
        booking._book_again(order)
    assert rows("SELECT count(*) FROM calls_call") == (0,)


def bookings(count: int) -> list[Booking]:
    """Orders of one account, as they would be written."""
    account = make_account(credits="1000")
    agent = make_agent(account, carrier="dialer")
    now = timezone.now()
    calls = [
        Call(
            account=account,
            agent=agent,
            request_id="x",
            mode="live",
            carrier="dialer",
            from_number="+14155550100",
            to_number=f"+1415555{2000 + number}",
            ring_timeout=30,
            max_duration=600,
            reserved=Decimal(10),
            created_at=now,
            due_at=now,
        )
        for number in range(count)
    ]
    return [Booking(call, [CallEvent(call=call, type="queued", at=now)]) for call in calls]


@contextmanager
def account_locked(account_id: UUID) -> Iterator[Callable[[int], bool]]:
    """While it lasts, nobody can be charged; whether so many orders stand in line behind the one
    that tries."""
    with psycopg.connect(**own_connection()) as other:
        other.execute("SELECT FROM agents_account WHERE id = %s FOR UPDATE", [account_id])
        yield lambda count: len(booking._line._lines.get(account_id, ())) >= count


def book_all(orders: list[Booking], *, until: Callable[[int], bool]) -> Callable[[], list[Any]]:
    """Have a thread book each, and return when all of them wait; what each of them raised."""
    pool = ThreadPoolExecutor(len(orders))

    def attempt(order: Booking) -> None:
        try:
            book(order.call, lines=order.lines)
        finally:
            connections.close_all()

    begun = [pool.submit(attempt, order) for order in orders]
    ends = time.monotonic() + PATIENCE_SECONDS
    while not until(len(orders) - 1):
        assert time.monotonic() < ends
        time.sleep(0.01)
    return lambda: [one.exception(PATIENCE_SECONDS) for one in begun]


def own_connection() -> dict[str, Any]:
    """How to connect to the test's database beside Django."""
    given = connection.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "dbname") if name in given}


def rows(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()
