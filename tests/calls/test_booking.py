"""Calls of one account that come in together are written together, each as if alone."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections

from agents.models import Account, Agent, LedgerEntry
from calls import booking
from calls.booking import Booking, book
from calls.models import Call, CallEvent
from core.errors import InsufficientCredits
from core.ids import new_id
from tests.factories import Api, make_account, make_agent, make_key

THREADS = 16
ORDERS = 120

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


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite writes one after the other")
def test_what_one_may_not_is_not_done_for_the_others_either_and_each_is_then_looked_at() -> None:
    account = make_account(credits="15")
    agent = make_agent(account, carrier="dialer", max_duration=600)
    place = Api(make_key(account)).post
    order = {"agentId": agent.native_id, "toNumber": "+14155552000"}
    assert place("/api/v1/calls/send", order).status_code == 201
    first = Call.objects.get()
    twin = Call.objects.get()
    twin.id, twin.reserved = first.id, Decimal(1)
    other = Call.objects.get()
    other.id, other.reserved = new_id(), Decimal(1)

    # One is there already: neither is written. Alone, the other one is.
    assert not booking._try_to_book([Booking(other, []), Booking(twin, [])])
    assert Call.objects.count() == 1
    book(other, lines=[])
    assert Call.objects.count() == 2
    other.id, other.reserved = new_id(), Decimal(5)
    with pytest.raises(InsufficientCredits):
        book(other, lines=[])
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal(4), Decimal(11))
