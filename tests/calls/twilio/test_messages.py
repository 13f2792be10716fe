"""Messages over Twilio: the order, what its callbacks say, and what it says when asked."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from calls.carriers import carrier_named
from calls.carriers.base import (
    Callback,
    CallbackRefused,
    CarrierError,
    CarrierUncertain,
    MessageOrder,
)
from calls.models import MessageStatus
from core.ids import new_id
from tests.calls.twilio.standin import SID, TOKEN, Answer, StandIn, error, standing_in

URL = "https://calls.example.org/carriers/twilio/messages/1/status"
CARRIER = carrier_named("twilio")


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with standing_in() as standin:
        yield standin
        assert standin.violations == []


@pytest.fixture
def order(standin: StandIn) -> MessageOrder:
    return MessageOrder(
        message_id=new_id(),
        agent_id=new_id(),
        ask=1,
        asked_at=timezone.now(),
        carrier_id="",
        from_number="+14155550100",
        to_number="+14155550123",
        text="Your table is ready 😀 & waiting",
        callback_url=URL.removesuffix("/status"),
        credentials={"account_sid": SID, "auth_token": TOKEN, "api_base_url": standin.url},
    )


def callback(form: dict[str, str], *, standin: StandIn, token: str = TOKEN) -> Callback:
    return Callback(
        method="POST",
        url=URL,
        topic="status",
        headers={"X-Twilio-Signature": standin.sign(URL, form, token=token)},
        body=urlencode(form).encode(),
        fields=form,
    )


def test_the_order(standin: StandIn, order: MessageOrder) -> None:
    accepted = CARRIER.send_sms(order)
    (row,) = standin.messages
    assert accepted.carrier_id == row.sid
    assert row.form == {
        "To": ["+14155550123"],
        "From": ["+14155550100"],
        "Body": ["Your table is ready 😀 & waiting"],
        "StatusCallback": [URL],
    }


@pytest.mark.parametrize(
    ("answer", "permanent", "reason"),
    [
        (error(429, 20429), False, "carrier_busy"),
        (error(429, 21611), False, "carrier_busy"),
        (error(400, 21211), True, "to_number_invalid"),
        (error(400, 21408), True, "country_not_enabled"),
        (error(400, 21606), True, "from_number_refused"),
        (error(400, 21608), True, "number_not_verified"),
        (error(400, 21609), True, "callback_url_refused"),
        (error(400, 21610), True, "recipient_opted_out"),
        (error(400, 21612), True, "number_cannot_receive"),
        (error(400, 21614), True, "number_cannot_receive"),
        (error(400, 21617), True, "message_too_long"),
        (error(400, 77777), True, "carrier_refused"),
    ],
)
def test_a_refusal_has_a_name(
    standin: StandIn, order: MessageOrder, answer: Answer, permanent: bool, reason: str
) -> None:
    standin.mischief = [answer]
    with pytest.raises(CarrierError) as refusal:
        CARRIER.send_sms(order)
    assert (refusal.value.permanent, refusal.value.reason) == (permanent, reason)
    assert len(standin.posts) == 1


@pytest.mark.parametrize(
    "answer", [Answer(status=500), Answer(status=201, is_taken=True, is_cut=True)]
)
def test_what_is_uncertain_is_said_to_be(
    standin: StandIn, order: MessageOrder, answer: Answer
) -> None:
    standin.mischief = [answer]
    with pytest.raises(CarrierUncertain):
        CARRIER.send_sms(order)
    assert len(standin.posts) == 1
    assert CARRIER.fetch_sms(order) is None


@pytest.mark.parametrize(
    ("said", "code", "status", "reason"),
    [
        ("accepted", None, "sending", ""),
        ("queued", None, "sending", ""),
        ("sending", None, "sending", ""),
        ("sent", None, "sent", ""),
        ("delivered", None, "delivered", ""),
        ("undelivered", 30001, "failed", "carrier_busy"),
        ("undelivered", 30002, "failed", "carrier_account_suspended"),
        ("undelivered", 30003, "failed", "handset_unreachable"),
        ("undelivered", 30004, "failed", "message_blocked"),
        ("undelivered", 30005, "failed", "number_not_in_service"),
        ("undelivered", 30006, "failed", "number_cannot_receive"),
        ("undelivered", 30007, "failed", "message_filtered"),
        ("undelivered", 30008, "failed", "carrier_failed"),
        ("undelivered", 30034, "failed", "sender_not_registered"),
        ("failed", 21610, "failed", "recipient_opted_out"),
        ("failed", None, "failed", "carrier_failed"),
    ],
)
def test_told_and_asked_it_says_the_same(
    standin: StandIn, order: MessageOrder, said: str, code: int | None, status: str, reason: str
) -> None:
    order = replace(order, carrier_id=CARRIER.send_sms(order).carrier_id)
    (row,) = standin.messages
    row.status, row.error_code = said, code
    form = {"AccountSid": SID, "MessageSid": row.sid, "MessageStatus": said}
    heard = CARRIER.hear_of_message(
        callback({**form, **({"ErrorCode": str(code)} if code else {})}, standin=standin), order
    )
    snapshot = CARRIER.fetch_sms(order)
    assert snapshot
    assert heard.carrier_id == row.sid
    for reports in (heard.reports, snapshot.reports):
        assert [(one.status, one.reason) for one in reports] == [(MessageStatus(status), reason)]


def test_only_twilios_word_about_this_message_counts(standin: StandIn, order: MessageOrder) -> None:
    form = {"AccountSid": SID, "MessageSid": "SM" + "1" * 32, "MessageStatus": "delivered"}
    right = callback(form, standin=standin)
    assert CARRIER.hear_of_message(right, order).reports
    refused = {
        "unsigned": (replace(right, headers={}), order),
        "another token": (callback(form, standin=standin, token="guess"), order),
        "tampered": (replace(right, body=right.body.replace(b"delivered", b"failed")), order),
        "another address": (replace(right, url=URL + "es"), order),
        "another account": (
            callback({**form, "AccountSid": "AC" + "c" * 32}, standin=standin),
            order,
        ),
        "another message": (right, replace(order, carrier_id="SM" + "2" * 32)),
        "no credentials": (right, replace(order, credentials={})),
    }
    for name, (wrong, about) in refused.items():
        with pytest.raises(CallbackRefused) as refusal:
            CARRIER.hear_of_message(wrong, about)
        assert refusal.value.is_forged, name
