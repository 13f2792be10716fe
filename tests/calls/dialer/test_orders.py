"""Orders to a voice engine that answers well, badly or not at all: one call, and the right end."""

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Account
from calls.carriers import exchange
from calls.models import Call, CarrierCredentials, Dial
from tests.calls.dialer.engine import SECRET, Asked, Engine, Says, an_engine
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_agent
from tests.operator import Operator

Work = Callable[..., None]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with an_engine() as engine:
        yield engine


@pytest.fixture
def call(api: Api, account: Account, engine: Engine) -> Call:
    give_credentials(account, url=engine.url, secret=SECRET)
    return place(api, account)


def give_credentials(account: Account, **values: str) -> None:
    row = CarrierCredentials(account=account, carrier="dialer")
    row.keep(values)
    row.save()


def place(api: Api, account: Account) -> Call:
    agent = make_agent(
        account,
        carrier="dialer",
        prompt="Remind {{name}}",
        greeting="Hi {{name}}",
        voice="alto",
        max_duration=60,
    )
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "params": {"name": "Ada"}}
    answer = api.post("/api/v1/calls/send", {**body, "metadata": {"n": 7}, "ringTimeout": 20})
    assert answer.status_code == 201, answer.content
    return Call.objects.get(id=answer.json()["callId"].removeprefix("call_"))


def ended(call: Call) -> tuple[str, str]:
    call.refresh_from_db()
    return call.status, call.reason


def reports(*stages: tuple[float, str], **more: Any) -> Callable[[Asked], Says]:
    """What the engine says of a call: seconds after now, and its status from then on."""
    began = timezone.now()

    def look(asked: Asked) -> Says:
        moments = [(began + timedelta(seconds=seconds), word) for seconds, word in stages]
        said = [
            {"status": word, "at": at.astimezone(UTC).isoformat()}
            for at, word in moments
            if at <= timezone.now()
        ]
        return Says(200, {"reports": [*said[:-1], *({**one, **more} for one in said[-1:])]})

    return look


def test_the_order_says_what_the_engine_needs(call: Call, engine: Engine, work: Work) -> None:
    work(for_=timedelta(seconds=1))

    (asked,) = engine.orders
    dial = Dial.objects.get()
    assert asked.json == {
        "dial_id": str(dial.id),
        "call_id": call.native_id,
        "agent_id": call.agent.native_id,
        "from_number": DEFAULT_NUMBER,
        "to_number": NUMBER,
        "prompt": "Remind Ada",
        "greeting": "Hi Ada",
        "params": {"name": "Ada"},
        "metadata": {"n": 7},
        "language": "en-US",
        "voice": "alto",
        "ring_timeout": 20,
        "max_duration": 60,
        "status_url": f"http://127.0.0.1:8000/carriers/dialer/dials/{dial.id}/status",
        "token": asked.json["token"],
    }
    assert len(asked.json["token"]) == 64
    assert asked.path == "/calls"
    assert asked.headers["webhook-id"] == str(dial.id)
    asked.verify()
    assert (dial.status, dial.carrier_id) == ("dialing", "e-1")


def test_a_secret_may_be_any_text(api: Api, account: Account, engine: Engine, work: Work) -> None:
    secret = "grüße, +/= and all"
    give_credentials(account, url=engine.url + "/", secret=secret)
    place(api, account)
    work(for_=timedelta(seconds=1))

    engine.orders[0].verify("whsec_" + b64encode(secret.encode()).decode())


def test_the_settings_serve_accounts_without_credentials(
    api: Api, account: Account, engine: Engine, work: Work, settings: Any
) -> None:
    settings.DIALER_URL, settings.DIALER_SECRET = engine.url, SECRET
    place(api, account)
    work(for_=timedelta(seconds=1))

    engine.orders[0].verify()


def test_without_credentials_nobody_is_asked(api: Api, account: Account, work: Work) -> None:
    call = place(api, account)
    work()

    assert ended(call) == ("failed", "carrier_not_configured")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Says(400), "carrier_refused"),
        (Says(401, {"reason": "no such customer"}), "carrier_refused"),
        (Says(404, {"reason": 7}), "carrier_refused"),
        (Says(422, {"reason": "rejected"}), "rejected"),
    ],
)
def test_a_refusal_is_final(
    call: Call, engine: Engine, work: Work, answer: Says, reason: str
) -> None:
    engine.on_order = lambda asked: answer
    work()

    assert ended(call) == ("failed", reason)
    assert len(engine.asked) == 1


def test_a_busy_engine_is_asked_again(call: Call, engine: Engine, work: Work) -> None:
    engine.on_order = lambda asked: Says(429 if len(engine.orders) < 3 else 200)
    engine.on_look = reports((0, "ringing"), (5, "busy"))
    work()

    assert ended(call) == ("busy", "")
    assert len(engine.orders) == 3
    assert len({asked.json["dial_id"] for asked in engine.orders}) == 1


def test_an_engine_that_stays_busy_is_left_alone(call: Call, engine: Engine, work: Work) -> None:
    engine.on_order = lambda asked: Says(429)
    work()

    assert ended(call) == ("failed", "carrier_busy")
    assert len(engine.orders) == 5


def test_an_engine_that_is_down_never_heard_of_it(api: Api, account: Account, work: Work) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        give_credentials(account, url=f"http://127.0.0.1:{closed.getsockname()[1]}", secret=SECRET)
        call = place(api, account)
        work()

    assert ended(call) == ("failed", "carrier_down")
    assert Dial.objects.get().asks == 5
    page = Operator().read(f"calls/call/{call.id}/change/")
    assert page.count("The carrier could not be reached") == 5
    assert "The carrier refused" not in page


UNCERTAIN = {
    "cut": Says(is_cut=True),
    "slow": Says(delay=2.0),
    "500": Says(500),
    "503": Says(503, {"reason": "rejected"}),
    "redirect": Says(307),
}


@pytest.mark.parametrize("answer", UNCERTAIN.values(), ids=UNCERTAIN)
@pytest.mark.parametrize(
    ("knows", "end"),
    [(True, ("completed", "")), (False, ("failed", "carrier_unknown"))],
    ids=["took it", "did not"],
)
def test_an_uncertain_order_is_looked_after_never_repeated(
    call: Call,
    engine: Engine,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    answer: Says,
    knows: bool,
    end: tuple[str, str],
) -> None:
    monkeypatch.setattr(exchange, "TOTAL_SECONDS", 1.0)
    engine.on_order = lambda asked: answer
    if knows:
        engine.on_look = reports((1, "ringing"), (4, "answered"), (9, "completed"))
    work()

    assert ended(call) == end
    assert len(engine.orders) == 1
    assert call.duration == (5 if knows else None)


def test_questions_are_signed_each_for_itself(call: Call, engine: Engine, work: Work) -> None:
    engine.on_look = reports()
    work()

    dial_id = str(Dial.objects.get().id)
    for method in ("GET", "DELETE"):
        asked = engine.of(method)[0]
        assert asked.path == f"/calls/{dial_id}"
        assert asked.headers["webhook-id"] == f"{dial_id}.{method.lower()}"
        asked.verify()


def test_what_a_lost_report_said_is_fetched(call: Call, engine: Engine, work: Work) -> None:
    engine.on_look = reports((1, "answered"), (5, "completed"), transcript="Hi", summary="They hi")
    work()

    assert ended(call) == ("completed", "")
    assert (call.transcript, call.summary) == ("Hi", "They hi")


@pytest.mark.parametrize("status", [404, 405, 501])
def test_an_engine_without_such_a_page_is_waited_for_and_hung_up(
    call: Call, engine: Engine, work: Work, status: int
) -> None:
    engine.on_look = lambda asked: Says(status)
    work()

    assert ended(call) == ("failed", "carrier_silent")
    assert len(engine.of("DELETE")) == 1
    assert len(engine.orders) == 1


def test_one_that_never_got_the_order_has_nothing_to_hang_up(
    call: Call, engine: Engine, work: Work
) -> None:
    engine.on_order = lambda asked: Says(is_cut=True)
    work()

    assert ended(call) == ("failed", "carrier_unknown")
    assert engine.of("DELETE") == []


@pytest.mark.parametrize("status", [204, 404, 410])
def test_hanging_up_what_has_ended_is_fine(
    call: Call, engine: Engine, work: Work, status: int
) -> None:
    engine.on_look = reports((0, "answered"))
    engine.on_hang_up = lambda asked: Says(status)
    work()

    assert ended(call) == ("completed", "max_duration")


def test_a_call_that_cannot_be_hung_up_is_not_said_to_be(
    call: Call, engine: Engine, work: Work
) -> None:
    engine.on_look = reports((0, "answered"))
    engine.on_hang_up = lambda asked: Says(500)
    work(for_=timedelta(minutes=3))
    assert ended(call)[0] == "in_progress"

    work(for_=timedelta(minutes=5))
    assert ended(call) == ("failed", "carrier_unreachable")


@pytest.mark.parametrize(
    "answer",
    [
        Says(200, "nonsense"),
        Says(200, {}),
        Says(200, {"reports": 7}),
        Says(200, {"reports": [7]}),
        Says(200, {"reports": [{"status": "asleep", "at": "2026-11-22T09:30:00Z"}]}),
        Says(200, {"reports": [{"status": "completed"}]}),
        Says(500),
    ],
)
def test_an_answer_that_makes_no_sense_changes_nothing(
    call: Call, engine: Engine, work: Work, answer: Says
) -> None:
    engine.on_look = lambda asked: answer
    work(for_=timedelta(seconds=34))

    assert ended(call) == ("dialing", "")
    assert len(engine.of("GET")) == 1
