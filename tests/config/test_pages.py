"""What holds for the operators' pages alike, and for those of nobody."""

from decimal import Decimal

import pytest
from django.test import Client

from agents.credits import top_up
from agents.models import Account
from tests.operator import Operator


def heading(page: str) -> str:
    """The way to the page, as it reads at its top."""
    lines = page.split("<h1")[1].split("</h1>")[0].replace("<", "\n<").split("\n")
    words = [line.split(">")[1].strip() for line in lines if ">" in line[:-1]]
    return " ".join(word for word in words if word not in ("", "chevron_right"))


def test_the_way_to_a_page_names_no_app(account: Account) -> None:
    operator = Operator()
    assert heading(operator.read("calls/call/")) == "Calls"
    assert heading(operator.read(f"agents/account/{account.id}/change/")) == "Accounts Clinic"


def test_a_page_to_add_something_says_so_and_offers_no_other(db: None) -> None:
    operator = Operator()
    page = operator.read("agents/account/add/")
    assert heading(page) == "Accounts Add"
    assert "addlink" not in page
    assert "addlink" in operator.read("agents/account/")


@pytest.mark.parametrize(("top_ups", "leads_on"), [(23, False), (24, True)])
def test_a_list_of_one_page_leads_to_no_other(
    account: Account, top_ups: int, leads_on: bool
) -> None:
    # Beside its opening balance.
    for _ in range(top_ups):
        top_up(account, amount=Decimal(1), reason="")
    page = Operator().read("agents/ledgerentry/")
    assert (">Next<" in page) == leads_on
    assert ">Previous<" not in page
    if leads_on:
        assert ">Previous<" in Operator(username="oscar").read("agents/ledgerentry/", p="2")


def test_browsers_find_an_icon() -> None:
    found = Client().get("/favicon.ico")
    assert found["Location"] == "/static/core/favicon.svg"


def test_what_is_not_there_leads_back(db: None) -> None:
    page = Operator().get("nothing/")
    assert page.status_code == 404
    assert "There is nothing here" in page.content.decode()
    assert 'href="/admin/"' in page.content.decode()
