"""The list of deliveries of some accounts: read webhook by webhook, and the same as ever."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from agents.models import Account
from tests.operator import Operator
from webhooks.models import Delivery, Event, Subscription
from webhooks.services import subscribe

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
OF_ACCOUNT = "subscription__account__id__exact"


@pytest.fixture
def deliveries(account: Account) -> list[Delivery]:
    """The newest first, of three webhooks in turns; every fifth has failed."""
    webhooks = [make_webhook(account, number=number) for number in range(3)]
    made = [make_delivery(webhooks[number % 3], number=number) for number in range(60)]
    return made[::-1]


@pytest.fixture
def others(stranger: Account) -> list[Delivery]:
    webhook = make_webhook(stranger, number=3)
    return [make_delivery(webhook, number=number) for number in range(60)]


def make_webhook(account: Account, *, number: int) -> Subscription:
    return subscribe(account, url=f"https://example.org/{number}", events=["call.completed"])[0]


def make_delivery(webhook: Subscription, *, number: int) -> Delivery:
    at = BEGAN + timedelta(minutes=number)
    event = Event.objects.create(
        account=webhook.account, type="call.completed", body="{}", created_at=at
    )
    status = "failed" if number % 5 == 0 else "delivered"
    return Delivery.objects.create(
        event=event, subscription=webhook, status=status, attempts=1, created_at=at, ended_at=at
    )


def listed(operator: Operator, **query: Any) -> list[UUID]:
    page = operator.read("webhooks/delivery/", **query)
    found = re.findall(r"/admin/webhooks/delivery/([0-9a-f-]{36})/change/", page)
    return [UUID(id) for id in dict.fromkeys(found)]


def ids(deliveries: list[Delivery]) -> list[UUID]:
    return [delivery.id for delivery in deliveries]


def test_pages_of_an_account_have_all_of_its_deliveries_in_order(
    db: None, account: Account, deliveries: list[Delivery], others: list[Delivery]
) -> None:
    operator = Operator()
    pages = [listed(operator, p=str(page), **{OF_ACCOUNT: str(account.id)}) for page in (1, 2, 3)]

    assert pages == [ids(deliveries[:25]), ids(deliveries[25:50]), ids(deliveries[50:])]


def test_those_that_failed(
    db: None, account: Account, deliveries: list[Delivery], others: list[Delivery]
) -> None:
    failed = [delivery for delivery in deliveries if delivery.status == "failed"]

    found = listed(Operator(), status__exact="failed", **{OF_ACCOUNT: str(account.id)})
    assert found == ids(failed)


def test_the_oldest_first(db: None, account: Account, deliveries: list[Delivery]) -> None:
    found = listed(Operator(), o="1", **{OF_ACCOUNT: str(account.id)})

    assert found == ids(deliveries[::-1][:25])


def test_who_sees_one_account_has_pages_of_it(
    db: None,
    account: Account,
    stranger: Account,
    deliveries: list[Delivery],
    others: list[Delivery],
) -> None:
    operator = Operator(role="Owner", accounts=[account])

    assert listed(operator, p="2") == ids(deliveries[25:50])
    assert listed(operator, **{OF_ACCOUNT: str(stranger.id)}) == []
    search = deliveries[40].native_id
    assert listed(operator, q=search) == ids([deliveries[40]])
    assert listed(operator, q=others[0].native_id) == []


def test_an_account_that_is_none(db: None, deliveries: list[Delivery]) -> None:
    operator = Operator()

    assert operator.get("webhooks/delivery/", **{OF_ACCOUNT: "nonsense"}).status_code == 302


def test_two_accounts_and_pages_far_back(
    db: None,
    account: Account,
    stranger: Account,
    deliveries: list[Delivery],
    others: list[Delivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator(role="Owner", accounts=[account, stranger])
    both = {OF_ACCOUNT: [str(account.id), str(stranger.id)]}
    pages = [listed(operator, p=str(page), **both) for page in range(1, 6)]
    monkeypatch.setattr("webhooks.pages.DEEPEST", 2)

    assert [len(page) for page in pages] == [25, 25, 25, 25, 20]
    assert {id for page in pages for id in page} == set(ids(deliveries + others))
    assert [listed(operator, p=str(page), **both) for page in range(1, 6)] == pages


def test_its_choices_where_another_form_asks_for_them(
    db: None, account: Account, deliveries: list[Delivery]
) -> None:
    operator = Operator(role="Owner", accounts=[account])

    fields = {"app_label": "webhooks", "model_name": "attempt", "field_name": "delivery"}
    assert operator.get("autocomplete/", term="a", **fields).status_code == 200
