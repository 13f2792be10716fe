"""Calls for later, and calls that waited too long."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Account, Agent
from calls.models import Call, CallEvent
from tests.factories import NUMBER, Api
from webhooks.models import Event

Work = Callable[..., None]
SEND = "/api/v1/calls/send"


def send(api: Api, agent: Agent, **more: Any) -> Any:
    return api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER, **more})


def in_(**span: float) -> str:
    return (timezone.now() + timedelta(**span)).isoformat()


def test_a_scheduled_call_is_dialled_at_its_time(api: Api, agent: Agent, work: Work) -> None:
    answer = send(api, agent, scheduledAt=in_(hours=2))
    assert (answer.status_code, answer.json()["callStatus"]) == (201, "scheduled")
    work(for_=timedelta(minutes=119))
    assert Call.objects.get().status == "scheduled"
    work(for_=timedelta(minutes=2))
    call = Call.objects.get()
    assert call.status == "completed"
    assert call.scheduled_at
    dialled = CallEvent.objects.get(type="dialing").at
    assert abs(dialled - call.scheduled_at) < timedelta(seconds=1)
    lines = list(CallEvent.objects.order_by("id").values_list("type", flat=True))
    assert lines[:3] == ["scheduled", "queued", "dialing"]


def test_a_scheduled_call_shows_its_time(api: Api, agent: Agent) -> None:
    at = in_(hours=2)
    location = send(api, agent, scheduledAt=at)["Location"]
    seen = api.get(location).json()
    assert datetime.fromisoformat(seen["scheduledAt"]) == datetime.fromisoformat(at)
    assert datetime.fromisoformat(seen["expiresAt"]) - datetime.fromisoformat(at) == timedelta(
        days=1
    )
    assert (seen["status"], seen["queue"]) == ("scheduled", None)


def test_a_replay_says_scheduled_again(api: Api, agent: Agent, work: Work) -> None:
    order = {"scheduledAt": in_(minutes=1)}
    headers = {"Idempotency_Key": "one"}
    body = {"agentId": agent.native_id, "toNumber": NUMBER, **order}
    first = api.post(SEND, body, **headers)
    work(for_=timedelta(minutes=2))
    again = api.post(SEND, body, **headers)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scheduledAt": -3600}, "scheduledAt"),
        ({"scheduledAt": 367 * 86400}, "scheduledAt"),
        ({"expiresAt": -1}, "expiresAt"),
        ({"scheduledAt": 7200, "expiresAt": 3600}, "expiresAt"),
        ({"expiresAt": 31 * 86400}, "expiresAt"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    api: Api, agent: Agent, given: dict[str, float], field: str
) -> None:
    times = {name: in_(seconds=seconds) for name, seconds in given.items()}
    answer = send(api, agent, **times)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert Call.objects.count() == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scheduleAt": "2030-01-01T09:00:00Z"}, "scheduleAt"),
        ({"scheduledAt": "2030-01-01T09:00:00"}, "scheduledAt"),
        ({"expiresAt": "2030-01-01"}, "expiresAt"),
    ],
)
def test_what_could_be_misread_is_refused(
    api: Api, agent: Agent, given: dict[str, str], field: str
) -> None:
    answer = send(api, agent, **given)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert Call.objects.count() == 0


def test_a_slow_clock_is_forgiven(api: Api, agent: Agent) -> None:
    answer = send(api, agent, scheduledAt=in_(minutes=-4))
    assert (answer.status_code, answer.json()["callStatus"]) == (201, "queued")


def test_a_call_that_waited_too_long_is_canceled(
    api: Api, agent: Agent, account: Account, work: Work
) -> None:
    account.max_concurrent_calls = 0
    account.save()
    send(api, agent, expiresAt=in_(seconds=20))
    work(for_=timedelta(seconds=22))
    call = Call.objects.get()
    assert (call.status, call.reason) == ("canceled", "expired")
    assert list(Event.objects.values_list("type", flat=True)) == ["call.failed"]
    account.refresh_from_db()
    assert (str(account.credits), str(account.reserved)) == ("1000.0000", "0.0000")


def test_zapier_schedules_too(account: Account, live_key: str, agent: Agent) -> None:
    answer = Api(live_key).post(
        "/api/zapier/actions/outbound-call",
        {
            "agent_id": str(agent.id),
            "to_number": NUMBER,
            "scheduled_at": in_(hours=1),
            "expires_at": in_(hours=3),
            "retry": '{"causes": ["busy"], "attempts": 2}',
            "ignore_calling_hours": "true",
        },
    )
    call = Call.objects.get()
    assert answer.json() == {"success": True, "call_id": str(call.id)}
    assert (call.status, call.ignore_calling_hours) == ("scheduled", True)
    assert call.retry == {"causes": ["busy"], "attempts": 2, "gaps": [300]}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"scheduled_at": "soon"}, "scheduled_at cannot be read: "),
        ({"retry": {"causes": ["rain"], "attempts": 2}}, "retry cannot be read: "),
        ({"retry": "no"}, "retry cannot be read: "),
        ({"scheduled_at": "2030-01-01T09:00:00"}, "scheduled_at cannot be read: must say its zone"),
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, "scheduled_at is in the past"),
    ],
)
def test_zapier_is_told_what_cannot_be_read(
    live_key: str, agent: Agent, given: dict[str, Any], error: str
) -> None:
    body = {"agent_id": str(agent.id), "to_number": NUMBER, **given}
    answer = Api(live_key).post("/api/zapier/actions/outbound-call", body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)
    assert Call.objects.count() == 0
