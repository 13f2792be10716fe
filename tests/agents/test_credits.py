"""The ledger: corrections, switching between counted and unlimited, and sums that always agree."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agents import credits
from agents.models import Account, Agent, LedgerEntry
from calls.models import Call
from core.errors import InsufficientCredits
from core.ids import new_id
from tests.factories import NUMBER, Api, make_account, make_agent, make_key
from tests.operator import Operator

SEND = "/api/v1/calls/send"
BY = {"reason": "Agreed by phone", "actor": "olivia"}


def sums(account: Account) -> tuple[Decimal, Decimal]:
    entries = LedgerEntry.objects.filter(account=account)
    found = entries.aggregate(credits=Sum("credits"), reserved=Sum("reserved"))
    return tuple(round(found[name] or Decimal(0), 4) for name in ("credits", "reserved"))  # type: ignore[return-value]


def balance(account: Account) -> tuple[Decimal | None, Decimal]:
    account.refresh_from_db()
    return account.credits, account.reserved


# Corrections


def test_a_correction_adds_or_takes(account: Account) -> None:
    credits.correct(account, amount=Decimal("-0.5"), **BY)
    credits.correct(account, amount=Decimal("3"), **BY)
    assert balance(account) == (Decimal("1002.5"), Decimal(0))
    entry = LedgerEntry.objects.latest("id")
    assert (entry.kind, entry.credits, entry.reason, entry.actor) == (
        "correction",
        Decimal(3),
        "Agreed by phone",
        "olivia",
    )


def test_a_correction_takes_no_more_than_there_is(account: Account) -> None:
    with pytest.raises(InsufficientCredits):
        credits.correct(account, amount=Decimal("-1000.0001"), **BY)
    credits.correct(account, amount=Decimal(-1000), **BY)
    assert balance(account) == (Decimal(0), Decimal(0))
    assert sums(account) == (Decimal(0), Decimal(0))


# Counted and unlimited


def test_switching_keeps_the_ledger_in_step(account: Account) -> None:
    call = Call(id=new_id())
    credits.reserve(account.id, amount=Decimal(10), subject=call)

    credits.make_unlimited(account, **BY)
    assert balance(account) == (None, Decimal(10))
    assert sum(sums(account)) == 0
    credits.settle(account.id, reserved=Decimal(10), cost=Decimal(4), subject=call)
    # What it has spent since.
    assert sums(account) == (Decimal(-4), Decimal(0))

    credits.make_counted(account, credits=Decimal(50), **BY)
    assert balance(account) == (Decimal(50), Decimal(0)) == sums(account)
    assert LedgerEntry.objects.latest("id").credits == Decimal(54)


def test_switching_to_what_it_is_books_nothing(account: Account) -> None:
    credits.make_counted(account, credits=Decimal(5), **BY)
    assert balance(account) == (Decimal(1000), Decimal(0))
    credits.make_unlimited(account, **BY)
    credits.make_unlimited(account, **BY)
    assert LedgerEntry.objects.filter(kind="correction").count() == 1


amounts = st.decimals("0.0001", "500", places=4)
moves = st.one_of(
    st.tuples(st.just("top_up"), amounts),
    st.tuples(st.just("correct"), st.decimals("-500", "500", places=4)),
    st.tuples(st.just("reserve"), amounts),
    st.tuples(st.just("settle"), st.decimals("0", "1", places=4)),
    st.tuples(st.just("make_unlimited"), st.just(Decimal(0))),
    st.tuples(st.just("make_counted"), st.decimals("0", "500", places=4)),
)


class LedgerAddsUp(TestCase):
    """Whatever is done in whatever order, balance and entries agree and nothing is negative."""

    @given(st.lists(moves, max_size=25))
    @settings(max_examples=60, deadline=None)
    def test_after_any_moves(self, done: list[tuple[str, Decimal]]) -> None:
        account = make_account(credits="100")
        under_way: list[tuple[Any, Decimal]] = []
        spent = Decimal(0)
        for name, amount in done:
            with suppress(InsufficientCredits):
                spent = self._do(account, name, amount, under_way=under_way, spent=spent)
            self._check(account, spent=spent)

    def _do(
        self,
        account: Account,
        name: str,
        amount: Decimal,
        *,
        under_way: list[tuple[Any, Decimal]],
        spent: Decimal,
    ) -> Decimal:
        """Do one move; what an unlimited account has spent since it became so, less its gifts."""
        if name == "top_up":
            credits.top_up(account, amount=amount, reason="")
            return spent - amount
        if name == "correct":
            credits.correct(account, amount=amount, **BY)
            return spent - amount
        if name == "reserve":
            call = Call(id=new_id())
            with transaction.atomic():
                credits.reserve(account.id, amount=amount, subject=call)
            under_way.append((call, amount))
        if name == "settle" and under_way:
            call, reserved = under_way.pop()
            cost = round(reserved * amount, 4)
            credits.settle(account.id, reserved=reserved, cost=cost, subject=call)
            return spent + cost
        if name == "make_unlimited":
            was_counted = balance(account)[0] is not None
            credits.make_unlimited(account, **BY)
            return Decimal(0) if was_counted else spent
        if name == "make_counted":
            credits.make_counted(account, credits=amount, **BY)
        return spent

    def _check(self, account: Account, *, spent: Decimal) -> None:
        spendable, reserved = balance(account)
        tally, set_aside = sums(account)
        assert set_aside == reserved >= 0
        if spendable is None:
            assert tally + set_aside == -spent
        else:
            assert tally == spendable >= 0


# The operators' page


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def test_an_operator_corrects(operator: Operator, account: Account) -> None:
    path = f"agents/account/{account.id}/correct/"
    assert "1,000 credits to spend" in operator.read(path)
    assert "required" in operator.post(path, amount="5").content.decode()
    assert "corrects nothing" in operator.post(path, amount="0", reason="x").content.decode()
    refused = operator.post(path, amount="-1000.5", reason="Too much").content.decode()
    assert "It has not so many credits" in refused
    assert LedgerEntry.objects.count() == 1

    operator.post(path, amount="-0.5", reason="Line was bad")

    assert balance(account)[0] == Decimal("999.5")
    for page in ("agents/ledgerentry/", f"agents/account/{account.id}/change/"):
        shown = operator.read(page)
        assert "Line was bad" in shown
        assert "olivia" in shown
    assert "Corrected by -0.5" in operator.read(f"agents/account/{account.id}/history/")


def test_an_operator_tops_up_under_his_name(operator: Operator, account: Account) -> None:
    operator.post(f"agents/account/{account.id}/top_up/", amount="1", reason="Invoice 7")
    assert LedgerEntry.objects.latest("id").actor == "olivia"
    operator.post("agents/account/add/", name="Hospital", credits="5")
    assert LedgerEntry.objects.latest("id").actor == "olivia"


def test_an_operator_switches_there_and_back(operator: Operator, account: Account) -> None:
    path = f"agents/account/{account.id}"
    assert operator.get(f"{path}/make_counted/").status_code == 403
    assert "They are written off" in operator.read(f"{path}/make_unlimited/")
    assert "required" in operator.post(f"{path}/make_unlimited/").content.decode()
    operator.post(f"{path}/make_unlimited/", reason="Pays monthly")
    assert balance(account)[0] is None
    for counted_only in ("make_unlimited", "correct", "top_up"):
        assert operator.get(f"{path}/{counted_only}/").status_code == 403

    page = operator.post(f"{path}/make_counted/", credits="-1", reason="x").content.decode()
    assert "greater than or equal to 0" in page
    operator.post(f"{path}/make_counted/", credits="20", reason="Pays ahead")
    assert balance(account) == (Decimal(20), Decimal(0)) == sums(account)


# Races


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_fifty_at_once_share_the_last_ten_calls() -> None:
    account = make_account(credits="100")
    agent = make_agent(account)
    key = make_key(account)

    answers = at_once(50, lambda: send(key, agent))

    assert sorted(answers) == [201] * 10 + [402] * 40
    assert balance(account) == (Decimal(0), Decimal(100)) == sums(account)
    assert Call.objects.count() == 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_switching_while_calls_are_accepted_loses_nothing() -> None:
    account = make_account(credits="1000")
    agent = make_agent(account)
    key = make_key(account)

    def switch() -> int:
        credits.make_unlimited(account, **BY)
        credits.make_counted(account, credits=Decimal(1000), **BY)
        return 0

    with ThreadPoolExecutor(2) as threads:
        sent = threads.submit(at_once, 20, lambda: send(key, agent))
        switched = threads.submit(at_once, 10, switch)

    assert (sent.result(), switched.result()) == ([201] * 20, [0] * 10)
    assert balance(account) == sums(account)
    assert account.reserved == Decimal(200)


def send(key: str, agent: Agent) -> int:
    status: int = Api(key).post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER}).status_code
    return status


def at_once(count: int, do: Callable[[], int]) -> list[int]:
    def one(_: int) -> int:
        try:
            return do()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_the_ledger_leads_to_what_was_paid_for(api: Api, account: Account, agent: Agent) -> None:
    order = {"agentId": agent.native_id, "toNumber": NUMBER}
    call = api.post(SEND, order).json()["callId"]
    message = api.post("/api/v1/sms/send", {**order, "message": "Hi"}).json()["messageId"]
    entry = LedgerEntry.objects.filter(kind="reserve").latest("id")

    operator = Operator()
    for page in (
        "agents/ledgerentry/",
        f"agents/ledgerentry/{entry.id}/change/",
        f"agents/account/{account.id}/change/",
    ):
        shown = operator.read(page)
        assert f">{message}</a>" in shown
        assert "(&#x27;" not in shown
        assert "Reserve" in shown
    link = re.search(f'href="/admin/([^"]+)"[^>]*>{call}</a>', operator.read("agents/ledgerentry/"))
    assert link
    assert NUMBER in operator.read(link[1])
