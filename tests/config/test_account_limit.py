"""An operator who was given some accounts sees nothing of the others, anywhere in the admin."""

import json
from typing import Any

import pytest
from django.db.models import Model
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from agents.models import Account, Price
from calls.models import DoNotCall
from core.admin import OperatorAdmin
from tests.config.pages import every_admin, rows_of
from tests.factories import make_account, make_agent
from tests.operator import Operator
from webhooks.models import Subscription

OF_ACCOUNTS = [path for path, pages in every_admin().items() if pages.account_path]


@pytest.fixture
def theirs(db: None) -> dict[str, Model]:
    return rows_of(make_account(name="Clinic"))


@pytest.fixture
def others(db: None) -> dict[str, Model]:
    return rows_of(make_account(name="Xenophon"))


@pytest.fixture
def operator(theirs: dict[str, Model]) -> Operator:
    account = theirs["agents/account"]
    assert isinstance(account, Account)
    return Operator(role="Owner", accounts=[account])


def test_every_page_declares_how_its_rows_lead_to_an_account() -> None:
    for path, pages in every_admin().items():
        assert isinstance(pages, OperatorAdmin), f"{path} does not limit anybody"
        assert "account_path" in vars(type(pages)), f"{path} does not say whose rows it shows"
        if pages.account_path and pages.account_path != "id":
            pages.model._meta.get_field(pages.account_path.split("__")[0])


def test_there_is_a_row_for_every_page(theirs: dict[str, Model]) -> None:
    assert sorted(theirs) == sorted(OF_ACCOUNTS)


def test_related_filters_offer_only_what_may_be_seen() -> None:
    for path, pages in every_admin().items():
        if not pages.account_path:
            continue
        for one in pages.list_filter:
            name, kind = one if isinstance(one, tuple) else (one, None)
            if (
                isinstance(name, str)
                and pages.model._meta.get_field(name.split("__")[0]).is_relation
            ):
                assert kind is AutocompleteSelectFilter, f"{path}: {name}"


@pytest.mark.parametrize("path", OF_ACCOUNTS)
def test_lists_searches_and_filters(
    operator: Operator, theirs: dict[str, Model], others: dict[str, Model], path: str
) -> None:
    mine, other = theirs[path], others[path]
    others_account = str(others["agents/account"].pk)

    for query in ({}, {"q": "Xeno"}, {"q": str(other.pk)}, {"q": "+14155550123"}):
        page = operator.read(f"{path}/", **query)
        assert "Xenophon" not in page, query
        assert f"/{other.pk}/change/" not in page
    assert f"/{mine.pk}/change/" in operator.read(f"{path}/")

    account_path = every_admin()[path].account_path
    by_account = {f"{account_path}__id__exact": others_account}
    if account_path != "id":
        assert "Xenophon" not in operator.get(f"{path}/", **by_account).content.decode()


@pytest.mark.parametrize("path", OF_ACCOUNTS)
def test_own_pages_open(operator: Operator, theirs: dict[str, Model], path: str) -> None:
    assert operator.get(f"{path}/{theirs[path].pk}/change/").status_code == 200


@pytest.mark.parametrize(
    ("app", "model", "field"),
    [
        ("agents", "apikey", "account"),
        ("agents", "operatoraccess", "account"),
        ("webhooks", "subscription", "agent"),
        ("calls", "call", "agent"),
    ],
)
def test_autocomplete_offers_only_theirs(
    operator: Operator, others: dict[str, Model], app: str, model: str, field: str
) -> None:
    query = {"app_label": app, "model_name": model, "field_name": field, "term": ""}
    found = json.loads(operator.read("autocomplete/", **query))["results"]
    assert found
    assert all("Clinic" in one["text"] for one in found)


def refused(answer: Any) -> bool:
    return answer.status_code == 200 and "Select a valid choice" in answer.content.decode()


def test_forms_take_no_others_account(operator: Operator, others: dict[str, Model]) -> None:
    account = others["agents/account"].pk
    agent = make_agent(Account.objects.get(name="Xenophon"))
    forms: dict[str, dict[str, Any]] = {
        "agents/apikey": {"name": "CRM", "mode": "live", "scopes": ["sms"]},
        "agents/agent": {"name": "CRM", "carrier": "simulated"},
        "agents/callerid": {"number": "+14155550100"},
        "agents/price": {"prefix": "+1", "per_minute": "0", "per_segment": "0"},
        "calls/donotcall": {"number": "+14155550100"},
        "calls/callingrules": {},
        "calls/carriercredentials": {"carrier": "twilio"},
        "webhooks/subscription": {"url": "https://x.example.org/", "events": ["sms.sent"]},
    }
    for path, fields in forms.items():
        assert refused(operator.post(f"{path}/add/", account=account, **fields)), path
    mine = Account.objects.get(name="Clinic").pk
    hook = forms["webhooks/subscription"]
    assert refused(
        operator.post("webhooks/subscription/add/", account=mine, agent=agent.pk, **hook)
    )
    assert Subscription.objects.count() == 2
    assert refused(operator.post("calls/donotcall/import/", account=account, country="US"))


def test_a_price_for_everybody_is_not_theirs(operator: Operator, others: dict[str, Model]) -> None:
    everybodys = Price.objects.create(prefix="+1", per_minute=1, per_segment=1)

    assert operator.get(f"agents/price/{everybodys.pk}/change/").status_code == 302
    fields = {"prefix": "+44", "per_minute": "0", "per_segment": "0"}
    page = operator.post("agents/price/add/", account="", **fields).content.decode()

    assert "This field is required" in page
    assert not Price.objects.filter(prefix="+44").exists()


def test_a_limited_owner_opens_no_account_and_manages_nobody(operator: Operator) -> None:
    assert operator.get("agents/account/add/").status_code == 403
    for path in ("auth/user/", "auth/user/add/", "auth/group/"):
        assert operator.get(path).status_code == 403
    index = operator.read("")
    assert "/admin/auth/user/" not in index
    assert "/admin/agents/account/" in index


def test_an_import_is_confirmed_only_by_who_still_has_the_account(
    operator: Operator, theirs: dict[str, Model]
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from agents.access import set_accounts

    file = SimpleUploadedFile("list.csv", b"+14155550111")
    page = operator.post("calls/donotcall/import/", account=theirs["agents/account"].pk, file=file)
    preview = page.context["preview"]
    set_accounts(operator.user, [])

    assert operator.post("calls/donotcall/import/", preview=preview).status_code == 404
    assert not DoNotCall.objects.filter(number="+14155550111").exists()


def test_who_was_given_no_account_sees_none(theirs: dict[str, Model]) -> None:
    operator = Operator(username="nobody", role="Operator", accounts=[])
    for path in OF_ACCOUNTS:
        assert "Clinic" not in operator.read(f"{path}/")


def test_who_was_given_every_account_sees_later_ones_too(theirs: dict[str, Model]) -> None:
    operator = Operator(username="all", role="Operator", accounts=None)
    make_account(name="Opened later")
    page = operator.read("agents/account/")
    assert "Clinic" in page
    assert "Opened later" in page
