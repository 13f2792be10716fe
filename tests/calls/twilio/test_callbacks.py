"""Twilio's callbacks: only its own count, in whatever order, and however often they come."""

import itertools
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
import time_machine
from pytest_django import Settings

from calls.models import Call, Dial
from tests.calls.twilio.conftest import Place, Work, events, lines, outcome
from tests.calls.twilio.standin import SID, TOKEN, Row, StandIn
from webhooks.models import Event

pytestmark = pytest.mark.usefixtures("listening")

STEPS: tuple[tuple[str, dict[str, str]], ...] = (
    ("ringing", {}),
    ("in-progress", {}),
    ("completed", {"CallDuration": "9"}),
)


@pytest.fixture
def told(
    twilio: StandIn, place: Place, clock: time_machine.Traveller
) -> tuple[Row, list[dict[str, str]]]:
    """A call that has ended, and the forms that Twilio is going to send of it, in their order."""
    row, forms = place(), []
    for status, fields in STEPS:
        clock.shift(timedelta(seconds=9 if status == "completed" else 2))
        twilio.move(row, status, duration=fields.get("CallDuration"))
        forms.append(twilio.said(row, **fields))
    return row, forms


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_order_ends_alike(
    twilio: StandIn, told: tuple[Row, list[dict[str, str]]], order: tuple[int, ...]
) -> None:
    row, forms = told
    for place in order:
        assert twilio.post(row, row["StatusCallback"], forms[place]) == 200
    call = Call.objects.get()
    assert (call.status, call.duration, str(call.cost)) == ("completed", 9, "1.0000")
    assert events() == ["call.started", "call.completed"]


def test_each_may_come_many_times_and_late(
    twilio: StandIn, told: tuple[Row, list[dict[str, str]]], work: Work
) -> None:
    row, forms = told
    for form in [*forms, *forms, *reversed(forms)]:
        assert twilio.post(row, row["StatusCallback"], form) == 200
    before = Call.objects.values().get()
    work(for_=timedelta(hours=1))
    for form in [{**forms[2], "CallStatus": "busy"}, *forms]:
        assert twilio.post(row, row["StatusCallback"], form) == 200
    twilio.tell_of_machine(row, "machine_start")
    assert Call.objects.values().get() == before
    assert events() == ["call.started", "call.completed"]
    assert Dial.objects.get().answered_by == ""


def test_an_unsigned_or_tampered_one_changes_nothing(twilio: StandIn, place: Place) -> None:
    row = place()
    url, form = row["StatusCallback"], twilio.said(row, CallStatus="completed")
    right = twilio.sign(url, form, token=TOKEN)
    attempts = {
        "unsigned": (url, form, None),
        "empty": (url, form, ""),
        "not ASCII": (url, form, "é"),
        "another token": (url, form, twilio.sign(url, form, token="guess")),
        "no token": (url, form, twilio.sign(url, form, token="")),
        "a field changed": (url, {**form, "CallStatus": "failed"}, right),
        "a field more": (url, {**form, "AnsweredBy": "human"}, right),
        "a field less": (url, {k: v for k, v in form.items() if k != "To"}, right),
        "another topic": (url.replace("/status", "/amd"), form, right),
        "a query": (f"{url}?CallStatus=failed", form, right),
    }
    before = (Call.objects.values().get(), Dial.objects.values().get(), lines())
    answers = {
        name: twilio.send(url, form, signature=signature).status_code
        for name, (url, form, signature) in attempts.items()
    }
    assert answers == dict.fromkeys(attempts, 401)
    assert (Call.objects.values().get(), Dial.objects.values().get(), lines()) == before
    assert Event.objects.count() == 0


def test_one_is_about_one_dial_only(twilio: StandIn, place: Place) -> None:
    first, second = place(), place(toNumber="+14155550124")
    form = twilio.said(first, CallStatus="busy")
    signature = twilio.sign(first["StatusCallback"], form, token=TOKEN)
    replayed = twilio.send(second["StatusCallback"], form, signature=signature)
    assert replayed.status_code == 401
    # Signed for this address, and yet about another call.
    assert twilio.post(first, second["StatusCallback"], form) == 401
    assert set(Call.objects.values_list("status", flat=True)) == {"dialing"}


def test_another_accounts_call_is_refused(twilio: StandIn, place: Place) -> None:
    row = place()
    form = {**twilio.said(row, CallStatus="busy"), "AccountSid": "AC" + "c" * 32}
    assert twilio.post(row, row["StatusCallback"], form) == 401
    assert outcome() == ("dialing", "")


@pytest.mark.parametrize(
    "change",
    [
        {"CallSid": ""},
        {"CallSid": "CA\0"},
        {"CallSid": "C" * 101},
        {"CallStatus": "dreaming"},
        {"Timestamp": "yesterday"},
        {"Timestamp": "Thu, 01 Jan 2026 00:00:00 +99999999999999999999"},
        {"CallDuration": "9" * 30},
    ],
)
def test_one_that_makes_no_sense_does_no_harm(
    twilio: StandIn, place: Place, change: dict[str, str]
) -> None:
    row = place()
    form = {**twilio.said(row, CallStatus="ringing"), **change}
    answer = twilio.post(row, row["StatusCallback"], form)
    assert answer == (400 if "CallSid" in change else 200)
    assert outcome()[0] == ("dialing" if {"CallSid", "CallStatus"} & change.keys() else "ringing")


def test_a_first_sid_that_no_row_holds_is_not_kept(twilio: StandIn, place: Place) -> None:
    row = place()
    Dial.objects.update(carrier_id="")
    for sid in ("CA\0", "C" * 101):
        form = {**twilio.said(row, CallStatus="ringing"), "CallSid": sid}
        assert twilio.post(row, row["StatusCallback"], form) == 400
    assert (outcome()[0], Dial.objects.get().carrier_id) == ("dialing", "")


def test_a_machine_that_is_found_after_an_age_was_there_from_the_start(
    twilio: StandIn, place: Place
) -> None:
    row = place()
    form = {**twilio.said(row, AnsweredBy="human"), "MachineDetectionDuration": "9" * 30}
    assert twilio.post(row, row["AsyncAmdStatusCallback"], form) == 200
    assert outcome()[0] == "in_progress"


def test_nothing_is_believed_where_there_is_no_token(
    twilio: StandIn, place: Place, settings: Settings
) -> None:
    row = place()
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    form = {**twilio.said(row, CallStatus="busy"), "AccountSid": ""}
    for signer in ("", TOKEN):
        signature = twilio.sign(row["StatusCallback"], form, token=signer)
        sent = twilio.send(row["StatusCallback"], form, signature=signature)
        assert sent.status_code == 401
    assert outcome() == ("dialing", "")


def test_the_public_address_is_signed_with_its_port_or_without(
    twilio: StandIn, place: Place, settings: Settings
) -> None:
    settings.BASE_URL, inside = "https://calls.example.org", settings.BASE_URL
    row = place()
    assert row["StatusCallback"].startswith("https://calls.example.org/carriers/")
    for status, port in (("ringing", ""), ("in-progress", ":443")):
        form = twilio.said(row, CallStatus=status)
        path = urlsplit(row["StatusCallback"]).path
        signature = twilio.sign(f"https://calls.example.org{port}{path}", form, token=TOKEN)
        assert twilio.send(inside + path, form, signature=signature).status_code == 200
        assert outcome()[0] == status.replace("-", "_")


def test_a_request_without_a_form_is_refused(twilio: StandIn, place: Place) -> None:
    row = place()
    url = row["StatusCallback"]
    signature = twilio.sign(f"{url}?CallStatus=busy", {}, token=TOKEN)
    headers = {"X-Twilio-Signature": signature}
    answers = [
        requests.get(f"{url}?CallStatus=busy", headers=headers, timeout=5).status_code,
        requests.post(url, json={"CallStatus": "busy", "AccountSid": SID}, timeout=5).status_code,
    ]
    assert answers == [401, 401]
    assert outcome() == ("dialing", "")
