"""A stand-in for Twilio, an agent that dials through it, and a server that it can report to."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from agents.models import Account, Agent
from calls.models import Call, CallEvent
from tests.calls.twilio.standin import SID, TOKEN, Row, StandIn, standing_in
from tests.factories import NUMBER, Api, make_agent
from webhooks.models import Event

Work = Callable[..., None]
Place = Callable[..., Row]


@pytest.fixture
def listening(live_server: Any, settings: Settings) -> None:
    """A server at the address that Twilio is told to report to."""
    settings.BASE_URL = live_server.url


@pytest.fixture
def twilio(db: None, settings: Settings) -> Iterator[StandIn]:
    """Twilio, as this server's settings know it."""
    with standing_in() as standin:
        settings.TWILIO_ACCOUNT_SID = SID
        settings.TWILIO_AUTH_TOKEN = TOKEN
        settings.TWILIO_API_BASE_URL = standin.url
        yield standin
        assert standin.violations == []


@pytest.fixture
def agent(account: Account) -> Agent:
    return make_agent(account, carrier="twilio", greeting="Hello {{name}}", ring_timeout=20)


@pytest.fixture
def send(api: Api, agent: Agent) -> Callable[..., Call]:
    """Ask for a call; nobody has worked on it yet."""

    def send(**body: Any) -> Call:
        body = {"agentId": agent.native_id, "toNumber": NUMBER, **body}
        answer = api.post("/api/v1/calls/send", body)
        assert answer.status_code == 201, answer.content
        return Call.objects.get(id=answer.json()["callId"].removeprefix("call_"))

    return send


@pytest.fixture
def place(twilio: StandIn, send: Callable[..., Call], work: Work) -> Place:
    """Ask for a call and let a worker dial it; the call as Twilio has it."""

    def place(**body: Any) -> Row:
        before = len(twilio.calls)
        send(**body)
        work(for_=timedelta(seconds=0.5))
        assert len(twilio.calls) == before + 1
        return twilio.calls[-1]

    return place


def outcome() -> tuple[str, str]:
    call = Call.objects.get()
    return call.status, call.reason


def events() -> list[str]:
    return list(Event.objects.order_by("created_at", "id").values_list("type", flat=True))


def lines() -> list[str]:
    return list(CallEvent.objects.order_by("id").values_list("type", flat=True))
