"""What Twilio may do to an order: however it goes wrong, no phone rings twice."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from calls.carriers.twilio.reasons import ERRORS
from calls.explanations import REASONS
from calls.models import Call, Dial
from tests.calls.twilio.conftest import Place, Work, events, lines, outcome
from tests.calls.twilio.standin import SID, Answer, Row, StandIn, error, standing_in

Send = Callable[..., Call]
A_MOMENT = timedelta(seconds=0.5)


@pytest.mark.usefixtures("listening")
def test_429_is_asked_again_and_rings_once(twilio: StandIn, send: Send, work: Work) -> None:
    twilio.mischief = [error(429, 20429), error(429)]
    send()
    work(for_=timedelta(seconds=10))
    assert (len(twilio.posts), len(twilio.calls)) == (3, 1)
    twilio.tell(twilio.calls[0], "busy")
    assert outcome() == ("busy", "")
    assert Dial.objects.count() == 1


@pytest.mark.usefixtures("listening")
def test_429_for_ever_ends_it(twilio: StandIn, send: Send, work: Work) -> None:
    twilio.mischief = [error(429, 20429)] * 9
    send()
    work(for_=timedelta(minutes=3))
    assert outcome() == ("failed", "carrier_busy")
    assert (len(twilio.posts), twilio.calls) == (5, [])


@pytest.mark.usefixtures("listening")
def test_a_refused_connection_is_asked_again_and_rings_once(
    twilio: StandIn, send: Send, work: Work, settings: Settings
) -> None:
    with standing_in() as gone:
        pass  # nothing listens there any more
    settings.TWILIO_API_BASE_URL = gone.url
    send()
    work(for_=A_MOMENT)
    assert lines()[-1] == "carrier_not_reached"
    settings.TWILIO_API_BASE_URL = twilio.url
    work(for_=timedelta(seconds=10))
    assert (len(twilio.posts), len(twilio.calls)) == (1, 1)
    twilio.tell(twilio.calls[0], "completed", CallDuration="3")
    assert outcome() == ("completed", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_a_twilio_that_is_never_reached(
    twilio: StandIn, send: Send, work: Work, settings: Settings, url: str
) -> None:
    settings.TWILIO_API_BASE_URL = url
    send()
    work(for_=timedelta(minutes=3))
    assert outcome() == ("failed", "carrier_down")
    assert Dial.objects.get().asks == 5


def test_an_address_that_is_none(
    twilio: StandIn, send: Send, work: Work, settings: Settings
) -> None:
    settings.TWILIO_API_BASE_URL = "nonsense"
    send()
    work(for_=timedelta(seconds=5))
    assert outcome() == ("failed", "carrier_not_configured")
    assert Dial.objects.get().asks == 1


@pytest.mark.usefixtures("listening")
def test_taken_and_then_cut_is_one_order_whose_callbacks_end_it(
    twilio: StandIn, send: Send, work: Work
) -> None:
    twilio.mischief = [Answer(status=201, is_taken=True, is_cut=True)]
    send()
    work(for_=timedelta(seconds=6))
    assert lines()[-1] == "carrier_answer_lost"
    (row,) = twilio.calls
    for status in ("ringing", "in-progress"):
        assert twilio.tell(row, status) == 200
    assert Dial.objects.get().carrier_id == row.sid
    assert twilio.tell(row, "completed", CallDuration="3") == 200
    work()
    assert outcome() == ("completed", "")
    assert len(twilio.posts) == 1
    assert events() == ["call.started", "call.completed"]


@pytest.mark.usefixtures("listening")
def test_one_callback_is_enough_to_find_it_again(twilio: StandIn, send: Send, work: Work) -> None:
    twilio.mischief = [Answer(status=201, is_taken=True, is_cut=True)]
    send()
    work(for_=A_MOMENT)
    twilio.tell(twilio.calls[0], "ringing")
    twilio.move(twilio.calls[0], "no-answer")
    work()
    assert outcome() == ("no_answer", "")


@pytest.mark.usefixtures("listening")
def test_a_callback_may_be_faster_than_the_answer(twilio: StandIn, send: Send, work: Work) -> None:
    def tell(row: Row) -> None:
        twilio.tell(row, "queued")
        twilio.tell(row, "busy")

    twilio.on_taken = tell
    send()
    work(for_=A_MOMENT)
    assert outcome() == ("busy", "")
    assert (len(twilio.posts), events()) == (1, ["call.failed"])


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        error(503, 20503),
        Answer(status=502, is_taken=False),
        Answer(status=408),
        Answer(status=302),
        Answer(status=200, is_taken=False, body={"sid": None}),
        Answer(status=0, is_cut=True),
    ],
    ids=lambda answer: f"{answer.status}",
)
def test_an_answer_that_proves_nothing_is_never_asked_again(
    twilio: StandIn, send: Send, work: Work, answer: Answer
) -> None:
    twilio.mischief = [answer]
    call = send()
    work(for_=timedelta(seconds=30))
    assert outcome() == ("dialing", "")
    work()
    assert outcome() == ("failed", "carrier_unknown")
    assert (len(twilio.posts), twilio.calls) == (1, [])
    assert events() == ["call.failed"]
    call.refresh_from_db()
    assert call.ended_at
    assert 34 <= (call.ended_at - call.created_at).total_seconds() <= 40


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("status", [500, 503])
def test_an_error_that_took_the_order_all_the_same(
    twilio: StandIn, send: Send, work: Work, status: int
) -> None:
    twilio.mischief = [Answer(status=status, is_taken=True)]
    send()
    work(for_=timedelta(seconds=5))
    twilio.tell(twilio.calls[0], "in-progress")
    twilio.tell(twilio.calls[0], "completed", CallDuration="0")
    assert outcome() == ("completed", "")
    assert len(twilio.posts) == 1


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, 21211, "to_number_invalid"),
        (400, 21214, "to_number_invalid"),
        (400, 21217, "to_number_invalid"),
        (400, 13224, "to_number_invalid"),
        (400, 21210, "from_number_refused"),
        (400, 21212, "from_number_refused"),
        (400, 21213, "from_number_refused"),
        (400, 21215, "country_not_enabled"),
        (403, 21215, "country_not_enabled"),
        (400, 21216, "number_blocked"),
        (400, 21219, "number_not_verified"),
        (400, 573005, "number_not_verified"),
        (400, 21205, "callback_url_refused"),
        (401, 20003, "carrier_credentials_refused"),
        (401, None, "carrier_credentials_refused"),
        (403, None, "carrier_credentials_refused"),
        (404, 20404, "carrier_credentials_refused"),
        (403, 20005, "carrier_account_suspended"),
        (400, 99999, "carrier_refused"),
        (400, None, "carrier_refused"),
        (422, None, "carrier_refused"),
    ],
)
def test_a_refusal_is_final_and_has_a_name(
    twilio: StandIn, send: Send, work: Work, status: int, code: int | None, reason: str
) -> None:
    twilio.mischief = [error(status, code)]
    send()
    work(for_=timedelta(seconds=5))
    assert outcome() == ("failed", reason)
    assert len(twilio.posts) == 1


def test_without_credentials_nobody_is_asked(
    twilio: StandIn, send: Send, work: Work, settings: Settings
) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    send()
    work(for_=timedelta(seconds=5))
    assert outcome() == ("failed", "carrier_not_configured")
    assert twilio.asked == []


def test_wrong_credentials(twilio: StandIn, send: Send, work: Work) -> None:
    twilio.accounts[SID] = "changed"
    send()
    work(for_=timedelta(seconds=5))
    assert outcome() == ("failed", "carrier_credentials_refused")


@pytest.mark.usefixtures("listening")
def test_it_cannot_be_asked_what_became_of_the_call(
    twilio: StandIn, place: Place, work: Work
) -> None:
    place()
    twilio.accounts[SID] = "changed"
    work(for_=timedelta(minutes=10))
    assert outcome() == ("failed", "carrier_unreachable")
    assert len(twilio.posts) == 1


def test_a_call_that_twilio_knows_no_more(twilio: StandIn, place: Place, work: Work) -> None:
    place()
    twilio.calls.clear()
    work()
    assert outcome() == ("failed", "carrier_unknown")


@pytest.mark.usefixtures("listening")
def test_hanging_up_what_has_ended_is_fine(twilio: StandIn, place: Place, work: Work) -> None:
    row = place(ringTimeout=300)
    twilio.tell(row, "ringing")
    work(for_=timedelta(seconds=310))
    # It ends between our look at it and our hanging up.
    twilio.on_answered = lambda asked: None if row.ended_at else twilio.move(row, "no-answer")
    work(for_=timedelta(minutes=1))
    assert outcome() == ("no_answer", "ring_timeout")
    hung_up = [one for one in twilio.asked if one.form == {"Status": ["completed"]}]
    assert (len(hung_up), row.status) == (1, "no-answer")


def test_the_docs_give_every_code_its_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "twilio.md").read_text()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", page, re.MULTILINE)
    told = {
        int(code): set(re.findall(r"\w+", reasons))
        for reasons, codes in rows
        for code in re.findall(r"\b\d{5,6}\b", codes)
    }
    assert sorted(told) == sorted(ERRORS)
    assert [code for code, reason in ERRORS.items() if reason not in told[code]] == []
    assert set(ERRORS.values()) <= set(REASONS)
