"""Whatever an operator changes is in a history, with who did it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.utils import timezone

from agents.credits import make_unlimited
from agents.models import Account, ApiKey
from agents.unusual import mark
from tests.config.pages import every_admin, rows_of
from tests.operator import Operator
from webhooks.models import Subscription
from webhooks.services import change_subscription

RECENTLY = timezone.now() - timedelta(days=1)
# What each button is given; those that ask nothing are given nothing.
FIELDS: dict[str, dict[str, Any]] = {
    "agents/account/top_up": {"amount": "5", "reason": "x"},
    "agents/account/correct": {"amount": "-5", "reason": "x"},
    "agents/account/make_unlimited": {"reason": "x"},
    "agents/account/make_counted": {"credits": "5", "reason": "x"},
    "agents/apikey/rotate": {"overlap": "24"},
    "webhooks/subscription/recover": {"since_0": f"{RECENTLY:%Y-%m-%d}", "since_1": "00:00"},
}
CHANGES: dict[str, dict[str, Any]] = {
    "agents/account": {"ledger-TOTAL_FORMS": "0", "ledger-INITIAL_FORMS": "0"},
    "agents/apikey": {"scopes": ["sms"]},
    "agents/agent": {"carrier": "simulated", "language": "de"},
    "webhooks/subscription": {"url": "https://x.example.org/", "events": ["sms.sent"]},
}
# They lead elsewhere and change nothing themselves.
LEADS_ELSEWHERE = {"auth/user/change_password"}
# What they do is in the history of the call that they place; their own tests look there.
PLACES_A_CALL = {"agents/agent/place_call", "calls/call/call_again"}
# About a user who has set it up; its own tests do that, and read the history.
OF_USERS = {"auth/user/reset_second_factor"}


def buttons() -> Iterator[str]:
    for path, pages in every_admin().items():
        for name in pages._extract_action_names(pages.actions_detail):
            yield f"{path}/{name}"


def prepare(row: Model, button: str) -> None:
    if button == "make_counted" and isinstance(row, Account):
        make_unlimited(row, reason="x", actor="")
    if isinstance(row, ApiKey) and button == "dismiss":
        mark(row, kind="volume", line="x")
    if isinstance(row, Subscription) and button == "resume":
        change_subscription(row, status="paused")
    if isinstance(row, Subscription) and button == "enable":
        Subscription.objects.filter(pk=row.pk).update(status="disabled")


@pytest.mark.parametrize(
    "button", sorted(set(buttons()) - LEADS_ELSEWHERE - PLACES_A_CALL - OF_USERS)
)
def test_every_button_is_in_the_history(account: Account, button: str) -> None:
    path, _, name = button.rpartition("/")
    row, operator = rows_of(account)[path], Operator()
    prepare(row, name)
    address = getattr(every_admin()[path], name).__dict__.get("url_path", name)

    answer = operator.post(f"{path}/{row.pk}/{address}/", **FIELDS.get(button, {}))

    assert answer.status_code in (200, 302), answer
    entries = LogEntry.objects.filter(object_id=str(row.pk))
    assert [entry.user for entry in entries] == [operator.user], answer.content.decode()
    assert entries[0].change_message


def test_every_list_action_is_in_the_history(account: Account) -> None:
    rows, operator = rows_of(account), Operator()
    for path, pages in every_admin().items():
        names = pages._extract_action_names(pages.actions)
        if getattr(pages, "deletes", False) and pages.account_path:
            names = [*names, "delete_selected"]
        for name in names:
            LogEntry.objects.all().delete()
            row = rows[path]
            operator.post(f"{path}/", action=name, _selected_action=row.pk, post="yes")
            assert LogEntry.objects.filter(user=operator.user).exists(), f"{path} {name}"


def test_every_list_button_is_in_the_history(account: Account, settings: Any) -> None:
    found = {
        f"{path}/{name}"
        for path, pages in every_admin().items()
        for name in pages._extract_action_names(pages.actions_list)
    }
    assert found == {"calls/donotcall/import_csv", "operations/alertrule/send_test"}
    operator = Operator()
    file = SimpleUploadedFile("list.csv", b"+14155550111")

    page = operator.post("calls/donotcall/import/", account=account.pk, file=file)
    assert not LogEntry.objects.exists()
    operator.post("calls/donotcall/import/", preview=page.context["preview"])

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (operator.user, str(account.pk))

    settings.ALERT_EMAILS = ["ops@example.org"]
    operator.post("operations/alertrule/send_test/")
    assert LogEntry.objects.get(change_message="Sent as a test.").user == operator.user


@pytest.mark.parametrize("path", CHANGES)
def test_changed_fields_are_in_the_history(account: Account, path: str) -> None:
    row, operator = rows_of(account)[path], Operator()
    fields = {"name": "Other", "max_concurrent_calls": "7", "ring_timeout": "30"}
    fields |= {"max_duration": "600"}

    answer = operator.post(f"{path}/{row.pk}/change/", **{**fields, **CHANGES[path]})

    assert answer.status_code == 302, answer.content.decode()
    entry = LogEntry.objects.get(object_id=str(row.pk))
    assert entry.user == operator.user
    assert "fields" in entry.change_message


def test_a_role_and_accounts_given_are_in_the_history(account: Account) -> None:
    operator, user = Operator(), User.objects.create(username="oscar", is_staff=True)

    operator.post(
        f"auth/user/{user.pk}/change/", username="oscar", is_active="on", accounts=[account.pk]
    )

    entry = LogEntry.objects.get(object_id=str(user.pk))
    assert entry.user == operator.user
    assert "accounts" in entry.get_change_message()
