"""Messages over Twilio as the server sends them: one POST, its callbacks, and what is paid."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from agents.models import Account, Agent, LedgerEntry
from calls.models import Message
from tests.calls.twilio.conftest import Work, events
from tests.calls.twilio.standin import SID, TOKEN, Answer, Row, StandIn, error, standing_in
from tests.factories import DEFAULT_NUMBER, NUMBER, Api

pytestmark = pytest.mark.usefixtures("listening")

Write = Callable[..., Message]
Send = Callable[..., Row]

A_MOMENT = timedelta(seconds=0.5)
# Two segments, at half a credit each.
TEXT = "Hi {{name}}, " + "a" * 160
FREE, PAID = ["release", "reserve"], ["charge", "release", "reserve"]


@pytest.fixture
def write(api: Api, agent: Agent) -> Write:
    """Ask for a message; nobody has worked on it yet."""

    def write(**body: str) -> Message:
        body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": TEXT, **body}
        answer = api.post("/api/v1/sms/send", {**body, "params": {"name": "Ada"}})
        assert answer.status_code == 201, answer.content
        return Message.objects.get(id=answer.json()["messageId"].removeprefix("sms_"))

    return write


@pytest.fixture
def send(twilio: StandIn, write: Write, work: Work) -> Send:
    """Ask for a message and let a worker send it; the message as Twilio has it."""

    def send(**body: str) -> Row:
        write(**body)
        work(for_=A_MOMENT)
        return twilio.messages[-1]

    return send


def outcome() -> tuple[Any, ...]:
    message = Message.objects.get()
    return message.status, message.reason, message.cost


def books(account: Account) -> tuple[Any, ...]:
    """What the account has, what of it is set aside, and the moves of credits by their kind."""
    account.refresh_from_db()
    kinds = LedgerEntry.objects.filter(subject_id__isnull=False).order_by("kind")
    return account.credits, account.reserved, list(kinds.values_list("kind", flat=True))


def test_the_order(twilio: StandIn, send: Send, account: Account) -> None:
    row = send()
    message = Message.objects.get()
    assert row["StatusCallback"].endswith(f"/carriers/twilio/messages/{message.id}/status")
    assert row.form == {
        "To": [NUMBER],
        "From": [DEFAULT_NUMBER],
        "Body": ["Hi Ada, " + "a" * 160],
        "StatusCallback": [row["StatusCallback"]],
    }
    assert (message.status, message.carrier_id, message.segments) == ("sending", row.sid, 2)
    assert books(account) == (999, 1, ["reserve"])


def test_a_message_that_arrives(twilio: StandIn, send: Send, account: Account, work: Work) -> None:
    row = send()
    for status, becomes in (
        ("queued", "sending"),
        ("sending", "sending"),
        ("sent", "sent"),
        ("delivered", "delivered"),
    ):
        assert twilio.tell_of_message(row, status) == 200
        assert outcome()[0] == becomes
    work(for_=timedelta(minutes=2))
    assert outcome() == ("delivered", "", 1)
    assert events() == ["sms.sent", "sms.delivered"]
    assert books(account) == (999, 0, PAID)
    assert [asked.method for asked in twilio.asked] == ["POST"]


@pytest.mark.parametrize(
    ("told", "code", "reason", "is_paid"),
    [
        (["undelivered"], 30003, "handset_unreachable", True),
        (["sent", "undelivered"], 30005, "number_not_in_service", True),
        (["failed"], 21610, "recipient_opted_out", False),
        (["failed"], None, "carrier_failed", False),
        (["sent", "failed"], 30008, "carrier_failed", True),
    ],
)
def test_a_message_that_does_not_arrive(
    twilio: StandIn,
    send: Send,
    account: Account,
    told: list[str],
    code: int | None,
    reason: str,
    is_paid: bool,
) -> None:
    row = send()
    for status in told:
        assert twilio.tell_of_message(row, status, code=code) == 200
    assert outcome() == ("failed", reason, 1 if is_paid else 0)
    assert events() == (["sms.sent", "sms.failed"] if is_paid else ["sms.failed"])
    assert books(account) == ((999, 0, PAID) if is_paid else (1000, 0, FREE))


@pytest.mark.parametrize("order", list(itertools.permutations(("queued", "sent", "delivered"))))
def test_callbacks_in_any_order_and_many_times(
    twilio: StandIn, send: Send, account: Account, order: tuple[str, ...]
) -> None:
    row = send()
    for status in (*order, *order, "undelivered"):
        assert twilio.tell_of_message(row, status) == 200
    assert outcome() == ("delivered", "", 1)
    assert events() == ["sms.sent", "sms.delivered"]
    assert books(account) == (999, 0, PAID)


@pytest.mark.parametrize(
    ("status", "ends"), [("delivered", "delivered"), ("undelivered", "failed")]
)
def test_an_end_whose_callbacks_were_all_lost_is_looked_up(
    twilio: StandIn, send: Send, account: Account, work: Work, status: str, ends: str
) -> None:
    send().status = status
    work(for_=timedelta(minutes=1))
    assert outcome()[0] == ends
    assert books(account) == (999, 0, PAID)
    assert [asked.method for asked in twilio.asked] == ["POST", "GET"]


def test_429_is_asked_again_and_sent_once(
    twilio: StandIn, write: Write, account: Account, work: Work
) -> None:
    twilio.mischief = [error(429, 20429), error(429)]
    write()
    work(for_=timedelta(seconds=10))
    assert (len(twilio.posts), len(twilio.messages)) == (3, 1)
    twilio.tell_of_message(twilio.messages[0], "delivered")
    assert outcome() == ("delivered", "", 1)
    assert books(account) == (999, 0, PAID)


def test_a_refused_connection_is_asked_again_and_sent_once(
    twilio: StandIn, write: Write, work: Work, settings: Settings
) -> None:
    with standing_in() as gone:
        pass
    settings.TWILIO_API_BASE_URL = gone.url
    write()
    work(for_=A_MOMENT)
    settings.TWILIO_API_BASE_URL = twilio.url
    work(for_=timedelta(seconds=10))
    assert (len(twilio.posts), len(twilio.messages)) == (1, 1)
    assert Message.objects.get().asks == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=201, is_taken=True, is_cut=True),
        Answer(status=500, is_taken=True),
        Answer(status=201, is_taken=True, body={"sid": None}),
    ],
    ids=["cut", "500", "no sid"],
)
def test_taken_and_then_lost_is_one_order_whose_callbacks_end_it(
    twilio: StandIn, write: Write, account: Account, work: Work, answer: Answer
) -> None:
    twilio.mischief = [answer]
    write()
    work(for_=timedelta(seconds=6))
    (row,) = twilio.messages
    assert twilio.tell_of_message(row, "sent") == 200
    assert Message.objects.get().carrier_id == row.sid
    row.status = "delivered"
    work(for_=timedelta(minutes=10))
    assert outcome() == ("delivered", "", 1)
    assert len(twilio.posts) == 1
    assert events() == ["sms.sent", "sms.delivered"]
    assert books(account) == (999, 0, PAID)


def test_taken_and_then_cut_without_a_word_is_one_order(
    twilio: StandIn, write: Write, account: Account, work: Work
) -> None:
    twilio.mischief = [Answer(status=201, is_taken=True, is_cut=True)]
    write()
    work(for_=timedelta(minutes=10))
    assert outcome() == ("failed", "carrier_unknown", 0)
    assert (len(twilio.posts), len(twilio.messages)) == (1, 1)
    assert books(account) == (1000, 0, FREE)
    assert twilio.tell_of_message(twilio.messages[0], "delivered") == 200
    assert (outcome()[0], events()) == ("failed", ["sms.failed"])


def test_a_callback_may_be_faster_than_the_answer(
    twilio: StandIn, write: Write, account: Account, work: Work
) -> None:
    def tell(row: Row) -> None:
        twilio.tell_of_message(row, "sent")
        twilio.tell_of_message(row, "delivered")

    twilio.on_taken = tell
    write()
    work(for_=timedelta(minutes=2))
    assert outcome() == ("delivered", "", 1)
    assert (len(twilio.posts), events()) == (1, ["sms.sent", "sms.delivered"])
    assert books(account) == (999, 0, PAID)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, 21610, "recipient_opted_out"),
        (400, 21614, "number_cannot_receive"),
        (401, 20003, "carrier_credentials_refused"),
        (400, None, "carrier_refused"),
    ],
)
def test_a_refusal_is_final_and_costs_nothing(
    twilio: StandIn,
    write: Write,
    account: Account,
    work: Work,
    status: int,
    code: int | None,
    reason: str,
) -> None:
    twilio.mischief = [error(status, code)]
    write()
    work(for_=timedelta(seconds=10))
    assert outcome() == ("failed", reason, 0)
    assert (len(twilio.posts), events()) == (1, ["sms.failed"])
    assert books(account) == (1000, 0, FREE)


def test_a_callback_that_is_not_twilios_changes_nothing(
    twilio: StandIn, send: Send, account: Account
) -> None:
    row, other = send(), send(toNumber="+14155550124")
    url = row["StatusCallback"]
    row.status = "delivered"
    form = twilio.said_of_message(row)
    right = twilio.sign(url, form, token=TOKEN)
    foreign = {**form, "AccountSid": "AC" + "c" * 32}
    attempts = {
        "unsigned": (url, form, None),
        "another token": (url, form, twilio.sign(url, form, token="guess")),
        "a field changed": (url, {**form, "MessageStatus": "failed"}, right),
        "a field more": (url, {**form, "ErrorCode": "30003"}, right),
        "a query": (f"{url}?MessageStatus=failed", form, right),
        "another topic": (url.replace("/status", "/other"), form, right),
        "replayed at another message's": (other["StatusCallback"], form, right),
        "signed for another message's": (
            other["StatusCallback"],
            form,
            twilio.sign(other["StatusCallback"], form, token=TOKEN),
        ),
        "another account's": (url, foreign, twilio.sign(url, foreign, token=TOKEN)),
    }
    before = list(Message.objects.order_by("id").values())
    answers = {
        name: twilio.send(to, form, signature=signature).status_code
        for name, (to, form, signature) in attempts.items()
    }
    assert answers == dict.fromkeys(attempts, 401)
    call_url = url.replace("/messages/", "/dials/")
    signature = twilio.sign(call_url, form, token=TOKEN)
    assert twilio.send(call_url, form, signature=signature).status_code == 404
    assert list(Message.objects.order_by("id").values()) == before
    assert (events(), books(account)[:2]) == ([], (998, 2))
    assert twilio.send(url, form, signature=right).status_code == 200


def test_without_credentials_nobody_is_asked_and_nothing_believed(
    twilio: StandIn, write: Write, account: Account, work: Work, settings: Settings
) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    message = write()
    url = f"{settings.BASE_URL}/carriers/twilio/messages/{message.id}/status"
    form = {"AccountSid": SID, "MessageSid": "SM1", "MessageStatus": "delivered"}
    assert twilio.send(url, form, signature=twilio.sign(url, form, token="")).status_code == 401
    work(for_=timedelta(seconds=5))
    assert outcome() == ("failed", "carrier_not_configured", 0)
    assert twilio.asked == []
    assert books(account) == (1000, 0, FREE)
