"""Calls over Twilio, from the order to the end that its callbacks tell."""

from datetime import timedelta

import pytest
import time_machine

from agents.models import Account
from calls.models import Call, CarrierCredentials, Dial
from tests.calls.twilio.conftest import Place, Work, events, lines, outcome
from tests.calls.twilio.standin import TOKEN, StandIn
from tests.factories import DEFAULT_NUMBER, NUMBER

pytestmark = pytest.mark.usefixtures("listening")


def test_the_order(twilio: StandIn, place: Place) -> None:
    row = place(params={"name": "Ada"}, maxDuration=90)
    dial = Dial.objects.get()
    here = twilio.calls[0]["StatusCallback"].removesuffix("/status")
    assert here.endswith(f"/carriers/twilio/dials/{dial.id}")
    assert row.form == {
        "To": [NUMBER],
        "From": [DEFAULT_NUMBER],
        "Timeout": ["20"],
        "TimeLimit": ["90"],
        "Twiml": [
            '<?xml version="1.0" encoding="UTF-8"?><Response>'
            '<Say language="en-US">Hello Ada</Say><Hangup /></Response>'
        ],
        "StatusCallback": [f"{here}/status"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "MachineDetection": ["Enable"],
        "AsyncAmd": ["true"],
        "AsyncAmdStatusCallback": [f"{here}/amd"],
    }
    assert (dial.status, dial.carrier_id) == ("dialing", row.sid)


def test_a_call_that_a_person_answers(
    twilio: StandIn, place: Place, clock: time_machine.Traveller
) -> None:
    row = place()
    for status in ("queued", "ringing", "in-progress"):
        assert twilio.tell(row, status) == 200
        clock.shift(timedelta(seconds=2))
    assert twilio.tell_of_machine(row, "human") == 200
    answered_at = Call.objects.get().started_at
    assert answered_at
    with time_machine.travel(answered_at + timedelta(seconds=42), tick=False):
        assert twilio.tell(row, "completed", CallDuration="42") == 200
    call = Call.objects.get()
    assert (call.status, call.reason, call.duration) == ("completed", "", 42)
    assert call.cost == 1
    assert Dial.objects.get().answered_by == "human"
    assert events() == ["call.started", "call.completed"]
    assert lines() == [
        "queued",
        "dialing",
        "accepted_by_carrier",
        "ringing",
        "in_progress",
        "completed",
    ]


def test_a_machine_makes_it_voicemail(twilio: StandIn, place: Place) -> None:
    row = place()
    twilio.tell(row, "in-progress")
    twilio.tell_of_machine(row, "machine_start")
    assert outcome() == ("in_progress", "")
    twilio.tell(row, "completed", CallDuration="8")
    assert outcome() == ("voicemail", "")
    assert events() == ["call.started", "call.completed"]


def test_a_verdict_proves_the_answer_whose_report_was_lost(twilio: StandIn, place: Place) -> None:
    row = place()
    twilio.tell_of_machine(row, "fax", after=0)
    assert outcome() == ("in_progress", "")
    twilio.tell(row, "completed", CallDuration="8")
    assert outcome() == ("voicemail", "")


def test_a_verdict_that_comes_with_the_end(
    twilio: StandIn, place: Place, clock: time_machine.Traveller
) -> None:
    row = place()
    clock.shift(timedelta(seconds=15))
    twilio.tell(row, "completed", CallDuration="8", AnsweredBy="machine_end_beep")
    assert outcome() == ("voicemail", "")
    assert Call.objects.get().duration == 8


def test_an_undecided_verdict_decides_nothing(twilio: StandIn, place: Place) -> None:
    row = place()
    twilio.tell_of_machine(row, "unknown")
    twilio.tell(row, "completed", CallDuration="8")
    assert outcome() == ("completed", "")


@pytest.mark.parametrize(
    ("said", "fields", "status", "reason"),
    [
        ("busy", {}, "busy", ""),
        ("busy", {"SipResponseCode": "486"}, "busy", ""),
        ("busy", {"SipResponseCode": "603"}, "busy", "declined"),
        ("failed", {"SipResponseCode": "603"}, "busy", "declined"),
        ("failed", {"SipResponseCode": "600"}, "busy", ""),
        ("no-answer", {}, "no_answer", ""),
        ("no-answer", {"SipResponseCode": "487"}, "no_answer", ""),
        ("failed", {"SipResponseCode": "480"}, "no_answer", ""),
        ("failed", {"SipResponseCode": "408"}, "no_answer", ""),
        ("failed", {"SipResponseCode": "404"}, "failed", "number_not_in_service"),
        ("failed", {"SipResponseCode": "484"}, "failed", "number_not_in_service"),
        ("failed", {"SipResponseCode": "403"}, "failed", "rejected"),
        ("failed", {"SipResponseCode": "503"}, "failed", "network_failure"),
        ("failed", {"SipResponseCode": "x", "ErrorCode": "13225"}, "failed", "number_blocked"),
        ("failed", {}, "failed", "carrier_failed"),
        ("canceled", {}, "canceled", ""),
    ],
)
def test_a_call_that_nobody_answers(
    twilio: StandIn, place: Place, said: str, fields: dict[str, str], status: str, reason: str
) -> None:
    row = place()
    twilio.tell(row, "ringing")
    assert twilio.tell(row, said, **fields) == 200
    assert outcome() == (status, reason)
    assert Call.objects.get().cost == 0
    assert events() == ["call.failed"]


@pytest.mark.parametrize(
    ("said", "answered_by", "status"),
    [
        ("completed", None, "completed"),
        ("completed", "machine_start", "voicemail"),
        ("busy", None, "busy"),
        ("no-answer", None, "no_answer"),
        ("failed", None, "failed"),
    ],
)
def test_an_end_whose_reports_were_all_lost_is_looked_up(
    twilio: StandIn,
    place: Place,
    work: Work,
    clock: time_machine.Traveller,
    said: str,
    answered_by: str | None,
    status: str,
) -> None:
    row = place()
    row.answered_by = answered_by
    clock.shift(timedelta(seconds=15))
    twilio.move(row, said, duration="7")
    work()
    call = Call.objects.get()
    assert (call.status, len(twilio.posts)) == (status, 1)
    assert call.duration == (7 if status in ("completed", "voicemail") else None)


def test_it_is_asked_seldom(twilio: StandIn, place: Place, work: Work) -> None:
    row = place(ringTimeout=300)
    twilio.tell(row, "ringing")
    work(for_=timedelta(minutes=2))
    assert 3 <= len([one for one in twilio.asked if one.method == "GET"]) <= 4


def test_a_call_that_twilio_does_not_end_is_hung_up(
    twilio: StandIn, place: Place, work: Work
) -> None:
    row = place(maxDuration=30)
    twilio.tell(row, "in-progress")
    work(for_=timedelta(minutes=2))
    assert outcome() == ("completed", "max_duration")
    assert row.status == "completed"
    assert twilio.tell(row, "completed", CallDuration="46") == 200
    assert outcome() == ("completed", "max_duration")
    assert events() == ["call.started", "call.completed"]


def test_each_account_uses_its_own_credentials(
    twilio: StandIn, place: Place, account: Account
) -> None:
    own = {"account_sid": "AC" + "b" * 32, "auth_token": "own", "api_base_url": ""}
    twilio.accounts[own["account_sid"]] = own["auth_token"]
    row = CarrierCredentials(account=account, carrier="twilio")
    row.keep(own)
    row.save()
    call = place()
    assert call.account == own["account_sid"]
    assert twilio.post(call, call["StatusCallback"], twilio.said(call), token=TOKEN) == 401
    assert twilio.tell(call, "busy") == 200
    assert outcome() == ("busy", "")
