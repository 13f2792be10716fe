"""`cancel_waiting`: of what a backup holds, nothing is dialled or sent a second time."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account, Agent
from calls.dialing import dialing
from calls.models import Call, CallEvent, Dial, Message
from core.heartbeat import beat
from core.times import rfc3339
from operations.models import Watermark
from tests.factories import NUMBER, Api
from webhooks.models import Event

Work = Callable[..., None]
NO_ANSWER, REFUSED_ONCE = "+14155550102", "+14155550107"
RULE = {"causes": ["no_answer"], "attempts": 3, "gaps": [60]}

pytestmark = pytest.mark.usefixtures("clock")


def place(api: Api, agent: Agent, number: str = NUMBER, **more: Any) -> Call:
    body = {"agentId": agent.native_id, "toNumber": number, **more}
    answer = api.post("/api/v1/calls/send", body)
    assert answer.status_code == 201, answer.json()
    return Call.objects.get(id=answer.json()["callId"].removeprefix("call_"))


def test_waiting_calls_and_messages_end_told_and_paid_back(
    api: Api, agent: Agent, account: Account, work: Work
) -> None:
    place(api, agent)
    place(api, agent, scheduledAt=rfc3339(timezone.now() + timedelta(hours=1)))
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"}
    assert api.post("/api/v1/sms/send", body).status_code == 201

    call_command("cancel_waiting", yes=True)
    work(for_=timedelta(hours=2))

    ends = list(Call.objects.values_list("status", "reason"))
    assert ends == [("canceled", "restored")] * 2
    message = Message.objects.get()
    assert (message.status, message.reason, message.asks) == ("failed", "restored", 0)
    assert not Dial.objects.exists()
    told = sorted(Event.objects.values_list("type", flat=True))
    assert told == ["call.failed", "call.failed", "sms.failed"]
    account.refresh_from_db()
    assert (str(account.credits), str(account.reserved)) == ("1000.0000", "0.0000")


def test_call_that_comes_due_after_the_old_server_stopped_is_still_placed(
    api: Api, agent: Agent, work: Work
) -> None:
    now = timezone.now()
    early, late = (
        place(api, agent, scheduledAt=rfc3339(now + timedelta(minutes=minutes)))
        for minutes in (10, 30)
    )

    call_command("cancel_waiting", yes=True, stopped_at=rfc3339(now + timedelta(minutes=20)))
    work(for_=timedelta(hours=1))

    early.refresh_from_db()
    late.refresh_from_db()
    assert (early.status, late.status) == ("canceled", "completed")


def test_call_that_was_to_be_asked_for_again_is_not(api: Api, agent: Agent, work: Work) -> None:
    call = place(api, agent, REFUSED_ONCE)
    dialing().run(linger=0)
    assert Dial.objects.get().asked_at is None

    call_command("cancel_waiting", yes=True)
    work()

    call.refresh_from_db()
    assert (call.status, call.reason) == ("canceled", "restored")
    assert Dial.objects.get().asks == 1


def test_call_under_way_is_followed_to_its_end_and_not_dialled_again(
    api: Api, agent: Agent, work: Work
) -> None:
    call = place(api, agent, NO_ANSWER, retry=RULE)
    dialing().run(linger=0)

    call_command("cancel_waiting", yes=True)
    work(for_=timedelta(minutes=10))

    call.refresh_from_db()
    assert (call.status, call.dials.count()) == ("no_answer", 1)
    assert CallEvent.objects.filter(type="retries_dropped").count() == 1


def test_nothing_happens_without_yes(
    api: Api, agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    call = place(api, agent)

    call_command("cancel_waiting")

    call.refresh_from_db()
    assert call.status == "queued"
    assert "To be canceled: 1 calls and 0 messages." in capsys.readouterr().out


@pytest.fixture
def running_worker(clock: time_machine.Traveller) -> Iterator[None]:
    beat()
    yield
    cache.clear()


@pytest.mark.usefixtures("running_worker")
def test_refuses_beside_a_worker(api: Api, agent: Agent) -> None:
    call = place(api, agent)

    with pytest.raises(CommandError, match="stop all of them"):
        call_command("cancel_waiting", yes=True)

    call.refresh_from_db()
    assert call.status == "queued"


@pytest.mark.parametrize(("seconds", "refuses"), [(50, True), (61, False)])
def test_refuses_beside_the_embedded_server(
    api: Api, agent: Agent, settings: Settings, seconds: int, refuses: bool
) -> None:
    """It keeps its heartbeat to itself, and adds up figures every ten seconds."""
    settings.REDIS_URL = ""
    call = place(api, agent)
    call_command("rebuild_rollups")
    Watermark.objects.update(looked_at=timezone.now() - timedelta(seconds=seconds))

    with pytest.raises(CommandError, match="stop all of them") if refuses else nullcontext():
        call_command("cancel_waiting", yes=True)

    call.refresh_from_db()
    assert call.status == ("queued" if refuses else "canceled")


@pytest.mark.parametrize("time", ["yesterday", "2026-11-25T12:00:00"])
def test_time_without_zone_is_refused(db: None, time: str) -> None:
    with pytest.raises(CommandError, match="with its zone"):
        call_command("cancel_waiting", yes=True, stopped_at=time)
