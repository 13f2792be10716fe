"""What a call costs: the price table, the settings behind it, and the page that edits it."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from agents.models import Account, Agent, Price
from agents.prices import Prices, price_for
from calls.models import Call
from tests.factories import NUMBER, Api
from tests.operator import Operator

SEND = "/api/v1/calls/send"


def make_price(prefix: str, per_minute: str, *, account: Account | None = None) -> Price:
    return Price.objects.create(
        prefix=prefix, account=account, per_minute=Decimal(per_minute), per_segment=Decimal("0.25")
    )


def test_the_settings_price_where_no_row_fits(account: Account) -> None:
    make_price("+44", "3")
    found = price_for(account.id, number=NUMBER)
    assert found == Prices(per_minute=Decimal(1), per_segment=Decimal("0.5"))


def test_the_longest_prefix_counts(account: Account) -> None:
    make_price("+1", "2")
    make_price("+1415", "4")
    make_price("+14", "3")
    make_price("+14155550124", "9")
    assert price_for(account.id, number=NUMBER).per_minute == Decimal(4)
    assert price_for(account.id, number="+12125550100").per_minute == Decimal(2)
    assert price_for(account.id, number="+14155550124").per_minute == Decimal(9)


def test_the_accounts_own_rows_come_first(account: Account, stranger: Account) -> None:
    make_price("+1415", "4")
    make_price("+1", "2", account=account)
    make_price("+141", "8", account=stranger)
    assert price_for(account.id, number=NUMBER) == Prices(Decimal(2), Decimal("0.25"))
    assert price_for(stranger.id, number=NUMBER).per_minute == Decimal(8)
    assert price_for(account.id, number="+442079460000").per_minute == Decimal(1)


def test_it_takes_one_query(
    account: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_price("+1415", "4")
    with django_assert_num_queries(1):
        price_for(account.id, number=NUMBER)


def test_a_call_keeps_the_price_it_was_accepted_at(
    api: Api, account: Account, agent: Agent, work: Callable[..., None]
) -> None:
    price = make_price("+1415", "2.5")
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal(975), Decimal(25))

    price.per_minute = Decimal(7)
    price.save()
    work()

    call = Call.objects.get()
    assert (call.price_per_minute, call.cost) == (Decimal("2.5"), Decimal("2.5"))
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal("997.5"), Decimal(0))


def test_a_price_of_nothing_reserves_and_charges_nothing(
    api: Api, account: Account, agent: Agent, work: Callable[..., None]
) -> None:
    make_price("+1", "0")
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    assert Call.objects.get().cost == Decimal(0)
    account.refresh_from_db()
    assert (account.credits, account.reserved) == (Decimal(1000), Decimal(0))
    assert account.ledger.count() == 1


# The operators' page


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def test_prices_are_added_changed_and_deleted(operator: Operator, account: Account) -> None:
    fields = {"prefix": "+44", "account": account.id, "per_minute": "0.0125", "per_segment": "0"}
    assert operator.post("agents/price/add/", **fields).status_code == 302
    price = Price.objects.get()
    assert (price.account, price.per_minute) == (account, Decimal("0.0125"))
    listed = operator.read("agents/price/")
    assert "+44" in listed
    assert "0.0125" in listed

    operator.post(f"agents/price/{price.id}/change/", **{**fields, "account": "", "per_minute": 2})
    price.refresh_from_db()
    assert (price.account, price.per_minute) == (None, Decimal(2))

    operator.post(f"agents/price/{price.id}/delete/", post="yes")
    assert not Price.objects.exists()


@pytest.mark.parametrize("prefix", ["44", "+", "+44x", "+4 4", "+1234567890123456", "+٤٤"])
def test_a_prefix_is_plus_and_digits(operator: Operator, prefix: str) -> None:
    fields = {"prefix": prefix, "account": "", "per_minute": "1", "per_segment": "1"}
    page = operator.post("agents/price/add/", **fields)
    assert page.status_code == 200
    assert not Price.objects.exists()


def test_a_prefix_may_have_15_digits(operator: Operator) -> None:
    fields = {"prefix": "+123456789012345", "account": "", "per_minute": "1", "per_segment": "1"}
    assert operator.post("agents/price/add/", **fields).status_code == 302


def test_a_price_is_not_negative_and_not_there_twice(operator: Operator, account: Account) -> None:
    make_price("+44", "1")
    make_price("+44", "1", account=account)
    for owner in ("", account.id):
        fields = {"prefix": "+44", "account": owner, "per_minute": "1", "per_segment": "1"}
        page = operator.post("agents/price/add/", **fields).content.decode()
        assert "There is a price for this prefix already." in page
    fields = {"prefix": "+1", "account": "", "per_minute": "-1", "per_segment": "1"}
    page = operator.post("agents/price/add/", **fields).content.decode()
    assert "greater than or equal to 0" in page
    assert Price.objects.count() == 2
