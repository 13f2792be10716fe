"""The operators' pages about do-not-call lists and calling rules."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile

from agents.models import Account
from calls.do_not_call import list_number
from calls.models import CallingRules, DoNotCall
from calls.policy_forms import MOST_BYTES
from tests.factories import NUMBER
from tests.operator import Operator

OTHER = "+442079460000"
LIST = "calls/donotcall"
RULES = "calls/callingrules"
EMPTY_WEEK = dict.fromkeys(
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), ""
)


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


# The list


def test_a_number_is_added_and_noted(operator: Operator, account: Account) -> None:
    fields = {"account": account.id, "number": "+1 415 555 0123", "note": "Asked"}
    assert operator.post(f"{LIST}/add/", **fields).status_code == 302
    row = DoNotCall.objects.get()
    assert (row.account, row.number, row.note) == (account, NUMBER, "Asked")

    again = operator.post(f"{LIST}/add/", **fields).content.decode()
    assert "It is on the list of Clinic already." in again
    operator.post(f"{LIST}/{row.id}/change/", number=OTHER, note="By letter")
    row.refresh_from_db()
    assert (row.number, row.note) == (NUMBER, "By letter")


def test_what_is_no_number_is_refused(operator: Operator, account: Account) -> None:
    page = operator.post(f"{LIST}/add/", account=account.id, number="4155550123")
    assert "This is no phone number" in page.content.decode()


@pytest.mark.parametrize("search", [NUMBER, "+1 (415) 555-0123", "+1415", "1415"])
def test_a_number_is_searched_for(operator: Operator, account: Account, search: str) -> None:
    list_number(account, number=NUMBER)
    list_number(account, number=OTHER)
    found = operator.read(f"{LIST}/", q=search)
    assert NUMBER in found
    assert OTHER not in found


def test_who_deletes_stands_in_the_accounts_history(operator: Operator, account: Account) -> None:
    first, _ = list_number(account, number=NUMBER)
    second, _ = list_number(account, number=OTHER)

    operator.post(f"{LIST}/{first.id}/delete/", post="yes")
    operator.post(f"{LIST}/", action="delete_selected", _selected_action=second.id, post="yes")

    assert not DoNotCall.objects.exists()
    history = operator.read(f"agents/account/{account.id}/history/")
    for number in (NUMBER, OTHER):
        assert f"Took {number} off the do-not-call list." in history


# Importing


def choose(operator: Operator, account: Account, text: str | bytes, **fields: str) -> str:
    raw = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("list.csv", raw)
    page = operator.post(f"{LIST}/import/", account=account.id, file=file, **fields)
    assert page.status_code == 200
    return str(page.content.decode())


def counts(page: str) -> dict[str, str]:
    found = re.findall(r'<dt class="od-muted">([^<]+)</dt><dd class="od-title">([^<]+)<', page)
    return dict(found)


def confirm(operator: Operator, page: str) -> Any:
    found = re.search(r'name="preview" value="([^"]+)"', page)
    assert found
    return operator.post(f"{LIST}/import/", preview=found[1])


def test_a_file_is_previewed_then_imported(operator: Operator, account: Account) -> None:
    list_number(account, number=OTHER, note="Long ago")
    page = choose(
        operator,
        account,
        f"phone;note\n{NUMBER};Asked\n{OTHER};Again\n+1 415 555 0123;Twice\n12;Typo\n+14155550199;",
    )

    expected = {"New": "2", "Listed already": "1", "Twice in the file": "1", "Invalid": "1"}
    assert counts(page) == expected
    assert "As in line 2" in page
    assert "Without + it needs a country" in page
    assert "Import 2 numbers" in page
    assert DoNotCall.objects.count() == 1

    answer = confirm(operator, page)

    assert answer["Location"] == f"/admin/{LIST}/"
    rows = dict(DoNotCall.objects.for_account(account).values_list("number", "note"))
    assert rows == {OTHER: "Long ago", NUMBER: "Asked", "+14155550199": ""}
    history = operator.read(f"agents/account/{account.id}/history/")
    assert "Put 2 numbers on the do-not-call list, from list.csv." in history


def test_a_preview_is_imported_once_and_by_who_saw_it(operator: Operator, account: Account) -> None:
    page = choose(operator, account, NUMBER)
    assert confirm(Operator(username="oscar"), page)["Location"] == f"/admin/{LIST}/import/"
    assert not DoNotCall.objects.exists()

    confirm(operator, page)
    DoNotCall.objects.all().delete()
    again = confirm(operator, page)
    assert again["Location"] == f"/admin/{LIST}/import/"
    assert "This preview is no longer kept" in operator.read(f"{LIST}/import/")
    assert not DoNotCall.objects.exists()


def test_what_was_listed_meanwhile_stays_as_it_is(operator: Operator, account: Account) -> None:
    page = choose(operator, account, f"{NUMBER},From the file\n{OTHER},From the file")
    list_number(account, number=NUMBER, note="By the API")
    confirm(operator, page)
    rows = dict(DoNotCall.objects.values_list("number", "note"))
    assert rows == {NUMBER: "By the API", OTHER: "From the file"}
    assert LogEntry.objects.latest("id").change_message.startswith("Put 1 number on")


def test_a_file_with_nothing_new_has_no_button(operator: Operator, account: Account) -> None:
    list_number(account, number=NUMBER)
    page = choose(operator, account, NUMBER)
    assert "There is nothing to import" in page
    assert "Import 1" not in page


def test_a_country_reads_numbers_without_plus(operator: Operator, account: Account) -> None:
    assert counts(choose(operator, account, "(415) 555-0123", country="us"))["New"] == "1"
    assert "No country has this code" in choose(operator, account, "x", country="xx")


def test_another_accounts_list_is_its_own(
    operator: Operator, account: Account, stranger: Account
) -> None:
    list_number(stranger, number=NUMBER)
    assert counts(choose(operator, account, NUMBER))["New"] == "1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("\n", "The file has no lines"), (f'{NUMBER},"x', "Line 1: a quote"), (b"", "empty")],
)
def test_what_cannot_be_read(
    operator: Operator, account: Account, text: str | bytes, complaint: str
) -> None:
    assert complaint in choose(operator, account, text)


def test_a_file_may_have_5_megabytes(operator: Operator, account: Account) -> None:
    padding = MOST_BYTES - len(NUMBER)
    assert "Import 1 number" in choose(operator, account, NUMBER + "\n" * padding)
    too_large = choose(operator, account, NUMBER + "\n" * (padding + 1))
    assert "The file is larger than 5 MB." in too_large


def test_long_lists_are_shown_in_part_and_imported_whole(
    operator: Operator, account: Account
) -> None:
    numbers = [f"+1415555{last:04}" for last in range(6_000)]
    page = choose(operator, account, "\n".join(numbers))
    assert "and 5,900 more like these" in page
    confirm(operator, page)
    assert DoNotCall.objects.count() == 6_000


# Calling rules


def test_rules_are_set_and_changed(operator: Operator, account: Account) -> None:
    fields = {
        "account": account.id,
        **EMPTY_WEEK,
        "monday": "13-20:00, 09:00-12:00",
        "friday": "22:00-2",
        "sunday": "0-24",
        "countries": "us gb,us",
        "calls_per_person_per_day": "3",
    }
    assert operator.post(f"{RULES}/add/", **fields).status_code == 302
    rules = CallingRules.objects.get()
    monday, friday, sunday = (
        [["09:00", "12:00"], ["13:00", "20:00"]],
        [["22:00", "02:00"]],
        [["00:00", "24:00"]],
    )
    assert rules.hours == [monday, [], [], [], friday, [], sunday]
    assert (rules.countries, rules.calls_per_person_per_day) == (["GB", "US"], 3)

    page = operator.read(f"{RULES}/{rules.id}/change/")
    assert 'value="09:00-12:00, 13:00-20:00"' in page
    assert 'value="GB, US"' in page
    listed = operator.read(f"{RULES}/")
    assert "Mon 09:00-12:00, 13:00-20:00; Fri 22:00-02:00; Sun 00:00-24:00" in listed

    fields |= {"monday": "", "calls_per_person_per_day": "", "countries": ""}
    operator.post(f"{RULES}/{rules.id}/change/", **fields)
    rules.refresh_from_db()
    assert rules.hours == [[], [], [], [], friday, [], sunday]
    assert (rules.countries, rules.calls_per_person_per_day) == (None, None)

    operator.post(f"{RULES}/{rules.id}/change/", **EMPTY_WEEK)
    rules.refresh_from_db()
    assert rules.hours is None
    assert "any hour" in operator.read(f"{RULES}/")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"monday": "nine to five"}, "nine to five is no window"),
        ({"monday": "09:00-25:00"}, "25:00 is no time"),
        ({"tuesday": "09:00-12:00, 11:00-13:00"}, "Two windows of a day overlap"),
        ({"wednesday": "10:00-10:00"}, "10:00-10:00 is no time at all"),
        ({"countries": "US, XX"}, "No country has this code: XX"),
        ({"countries": "UK"}, "The United Kingdom is GB"),
        ({"calls_per_person_per_day": "0"}, "greater than or equal to 1"),
    ],
)
def test_rules_say_what_is_wrong(
    operator: Operator, account: Account, fields: dict[str, str], complaint: str
) -> None:
    page = operator.post(f"{RULES}/add/", account=account.id, **{**EMPTY_WEEK, **fields})
    assert complaint in page.content.decode()
    assert not CallingRules.objects.exists()


def test_an_account_has_one_set_of_rules(operator: Operator, account: Account) -> None:
    CallingRules.objects.create(account=account)
    page = operator.post(f"{RULES}/add/", account=account.id, **EMPTY_WEEK)
    assert "already exists" in page.content.decode()
