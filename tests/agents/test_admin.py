"""The operators' pages about accounts, keys and agents."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from agents.models import Account, Agent, ApiKey, LedgerEntry
from agents.services import create_key
from core.secrets import digest, matches
from tests.factories import Api, make_agent, make_key
from tests.operator import Operator

AGENT = {
    "name": "Sales",
    "default_number": "+1 415 555 0100",
    "carrier": "simulated",
    "language": "en-US",
    "ring_timeout": "30",
    "max_duration": "600",
}
PAGES = (
    "agents/account",
    "agents/apikey",
    "agents/agent",
    "agents/ledgerentry",
    "agents/price",
    "agents/callerid",
    "calls/carriercredentials",
    "webhooks/subscription",
    "webhooks/delivery",
    "webhooks/event",
    "calls/call",
    "calls/donotcall",
    "calls/callingrules",
    "auth/user",
    "auth/group",
)


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def shown_secret(answer: Any) -> str:
    """The secret that an answer shows; there is one, and nobody may keep a copy of the page."""
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    found = re.search(r'id="secret" type="text" value="([^"]+)"', answer.content.decode())
    assert found, answer.content.decode()
    return found[1]


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_pages_ask_to_log_in(page: str) -> None:
    answer = Client().get(f"/admin/{page}/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@pytest.mark.django_db
def test_operator_logs_in() -> None:
    User.objects.create_superuser("olivia", password="correct horse battery staple")
    browser = Client()
    form = {"username": "olivia", "password": "wrong", "next": "/admin/"}

    assert browser.post("/admin/login/", form).status_code == 200
    assert browser.get("/admin/").status_code == 302

    form["password"] = "correct horse battery staple"
    assert browser.post("/admin/login/", form)["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_every_list_can_be_read_and_searched(operator: Operator, page: str, agent: Agent) -> None:
    operator.read(f"{page}/")
    operator.read(f"{page}/", q="nothing like it")


def test_index_links_to_every_list(operator: Operator) -> None:
    index = operator.read("")

    assert "Overview" in index
    assert all(f'href="/admin/{page}/"' in index for page in PAGES)


def test_operator_page_shows_no_password_hash(operator: Operator) -> None:
    other = User.objects.create_user("oscar", password="correct horse battery staple")
    path = f"auth/user/{other.id}"

    page = operator.read(f"{path}/change/")

    assert "pbkdf2" not in page
    assert operator.get(f"{path}/change_password/")["Location"].endswith(f"{path}/password/")
    operator.read(f"{path}/password/")


# Accounts


def test_account_is_opened_with_credits(operator: Operator) -> None:
    operator.post("agents/account/add/", name="Clinic", credits="250.5")

    account = Account.objects.get()
    assert (account.name, account.credits) == ("Clinic", Decimal("250.5"))
    assert LedgerEntry.objects.get().reason == "Opening balance"
    page = operator.read(f"agents/account/{account.id}/change/")
    assert "250.5" in page
    assert "Opening balance" in page


def test_account_without_credits_is_unlimited(operator: Operator) -> None:
    operator.post("agents/account/add/", name="Clinic", credits="")

    assert Account.objects.get().credits is None
    assert not LedgerEntry.objects.exists()


def test_account_with_negative_credits_is_refused(operator: Operator) -> None:
    page = operator.post("agents/account/add/", name="Clinic", credits="-1").content.decode()

    assert "greater than or equal to 0" in page
    assert not Account.objects.exists()


def test_changing_an_account_leaves_its_credits(operator: Operator, account: Account) -> None:
    operator.post(
        f"agents/account/{account.id}/change/",
        name="Hospital",
        max_concurrent_calls="5",
        credits="9",
        reserved="9",
        **{"ledger-TOTAL_FORMS": "0", "ledger-INITIAL_FORMS": "0"},
    )

    account.refresh_from_db()
    assert (account.name, account.max_concurrent_calls) == ("Hospital", 5)
    assert (account.credits, account.reserved) == (Decimal(1000), Decimal(0))


def test_account_is_topped_up(operator: Operator, account: Account) -> None:
    path = f"agents/account/{account.id}/top_up/"
    assert "1,000 credits" in operator.read(path)

    refused = operator.post(path, amount="0")
    assert "greater than or equal to" in refused.content.decode()

    operator.post(path, amount="12.5", reason="Invoice 7")

    account.refresh_from_db()
    assert account.credits == Decimal("1012.5")
    assert LedgerEntry.objects.latest("id").reason == "Invoice 7"


def test_unlimited_account_takes_no_top_up(operator: Operator) -> None:
    operator.post("agents/account/add/", name="Clinic", credits="")
    account = Account.objects.get()

    assert operator.get(f"agents/account/{account.id}/top_up/").status_code == 403


@pytest.mark.parametrize("page", ["account", "apikey", "agent", "ledgerentry"])
def test_nothing_is_deleted(operator: Operator, page: str, account: Account) -> None:
    make_key(account)
    make_agent(account)
    row = {"account": Account, "apikey": ApiKey, "agent": Agent, "ledgerentry": LedgerEntry}[page]
    row_id = row.objects.values_list("pk", flat=True)[0]  # type: ignore[attr-defined]

    assert operator.post(f"agents/{page}/{row_id}/delete/", post="yes").status_code == 403
    operator.post(f"agents/{page}/", action="delete_selected", _selected_action=row_id)

    assert row.objects.filter(pk=row_id).exists()  # type: ignore[attr-defined]


def test_mode_and_state_of_a_key_are_labels(operator: Operator, account: Account) -> None:
    key, _ = create_key(account, name="CRM", mode="test")

    page = operator.read(f"agents/apikey/{key.id}/change/")

    assert "(&#x27;" not in page
    for label in ("Test", "active"):
        assert re.search(rf"<span[^>]*>\s*{label}\s*</span>", page)


def test_ledger_is_only_read(operator: Operator, account: Account) -> None:
    entry = LedgerEntry.objects.get()

    assert operator.get("agents/ledgerentry/add/").status_code == 403
    assert operator.post(f"agents/ledgerentry/{entry.id}/change/").status_code == 403
    assert "+1,000" in operator.read("agents/ledgerentry/")
    operator.read(f"agents/ledgerentry/{entry.id}/change/")


# Keys


def test_key_is_shown_once_and_works(operator: Operator, account: Account) -> None:
    answer = operator.post(
        "agents/apikey/add/",
        account=account.id,
        name="CRM",
        mode="test",
        scopes=["calls:read", "calls:write"],
        requests_per_minute="7",
    )

    key = shown_secret(answer)
    stored = ApiKey.objects.get()
    assert stored.digest == digest(key)
    assert (stored.account, stored.mode, stored.requests_per_minute) == (account, "test", 7)
    assert stored.scopes == ["calls:write", "calls:read"]
    assert Api(key).get("/api/v1/account").status_code == 200
    later = operator.read("agents/apikey/")
    later += operator.read(f"agents/apikey/{stored.id}/change/")
    later += operator.read(f"agents/apikey/{stored.id}/history/")
    assert stored.hint in later
    assert key not in later
    assert stored.digest not in later
    assert key not in str(LogEntry.objects.values())
    assert key not in str(operator.browser.session.items())


def test_key_keeps_its_account_and_mode(
    operator: Operator, account: Account, stranger: Account
) -> None:
    stored, _ = create_key(account, name="CRM", mode="test")

    answer = operator.post(
        f"agents/apikey/{stored.id}/change/",
        account=stranger.id,
        name="ERP",
        mode="live",
        scopes=["sms"],
        requests_per_minute="",
    )

    assert answer.status_code == 302
    stored.refresh_from_db()
    assert (stored.name, stored.account, stored.mode) == ("ERP", account, "test")
    assert stored.scopes == ["sms"]


def test_key_cannot_be_made_expired(operator: Operator, account: Account) -> None:
    answer = operator.post(
        "agents/apikey/add/",
        account=account.id,
        name="CRM",
        mode="live",
        expires_at_0="2020-01-01",
        expires_at_1="00:00",
    )

    assert "This time has passed" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_key_is_revoked_after_asking(operator: Operator, account: Account) -> None:
    stored, key = create_key(account, name="CRM", mode="test")
    path = f"agents/apikey/{stored.id}/revoke/"

    assert "This cannot be undone" in operator.read(path)
    assert Api(key).get("/api/v1/account").status_code == 200

    operator.post(path)

    assert Api(key).get("/api/v1/account").status_code == 401
    assert f"/admin/{path}" not in operator.read(f"agents/apikey/{stored.id}/change/")


# Agents


def test_agent_secret_is_shown_once(operator: Operator, account: Account) -> None:
    answer = operator.post("agents/agent/add/", account=account.id, **AGENT)

    secret = shown_secret(answer)
    agent = Agent.objects.get()
    assert (agent.account, agent.default_number) == (account, "+14155550100")
    assert matches(secret, agent.secret_digest)
    later = operator.read("agents/agent/") + operator.read(f"agents/agent/{agent.id}/change/")
    assert secret not in later
    assert agent.secret_digest not in later


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"default_number": "12"}, "This is no phone number"),
        ({"default_number": "4155550100"}, "This is no phone number"),
        ({"ring_timeout": "4"}, "greater than or equal to 5"),
        ({"ring_timeout": "301"}, "less than or equal to 300"),
        ({"max_duration": "9"}, "greater than or equal to 10"),
        ({"max_duration": "14401"}, "less than or equal to 14400"),
        ({"carrier": "pigeon"}, "Select a valid choice"),
        ({"language": "English please"}, "Write it as en-US"),
    ],
)
def test_agent_form_says_what_is_wrong(
    operator: Operator, account: Account, fields: dict[str, str], complaint: str
) -> None:
    answer = operator.post("agents/agent/add/", account=account.id, **{**AGENT, **fields})

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert not Agent.objects.exists()


def test_agent_is_changed(operator: Operator, agent: Agent) -> None:
    answer = operator.post(
        f"agents/agent/{agent.id}/change/", **{**AGENT, "default_number": "", "max_duration": "60"}
    )

    assert answer.status_code == 302
    agent.refresh_from_db()
    assert (agent.name, agent.default_number, agent.max_duration) == ("Sales", None, 60)


def test_agent_secret_is_rotated_after_asking(operator: Operator, agent: Agent) -> None:
    before = agent.secret_digest
    path = f"agents/agent/{agent.id}/rotate_secret/"

    assert "stops working at once" in operator.read(path)
    agent.refresh_from_db()
    assert agent.secret_digest == before

    secret = shown_secret(operator.post(path))

    agent.refresh_from_db()
    assert matches(secret, agent.secret_digest)
    assert secret not in operator.read(f"agents/agent/{agent.id}/history/")


def test_agent_is_disabled_after_asking(operator: Operator, agent: Agent) -> None:
    path = f"agents/agent/{agent.id}/disable/"
    operator.read(path)
    agent.refresh_from_db()
    assert agent.is_enabled

    operator.post(path)

    agent.refresh_from_db()
    assert not agent.is_enabled
    assert operator.get(path).status_code == 403


@pytest.mark.parametrize("spelling", ["native_id", "id"])
def test_agent_is_found_by_either_form_of_its_id(
    operator: Operator, agent: Agent, spelling: str
) -> None:
    make_agent(agent.account, name="Somebody else")

    found = operator.read("agents/agent/", q=str(getattr(agent, spelling)))

    assert "Reminders" in found
    assert "Somebody else" not in found


@pytest.mark.parametrize("path", ["agents/agent/nonsense", f"agents/apikey/{'0' * 32}"])
def test_page_of_nothing_leads_back(operator: Operator, path: str) -> None:
    assert operator.get(f"{path}/change/").status_code == 302
