"""`POST webhooks/{id}/recover`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from core.times import rfc3339
from tests.factories import Api
from tests.receiver import Receiver
from tests.webhooks.telling import answer_of, tell
from webhooks.events import CALL_FAILED
from webhooks.models import Delivery
from webhooks.services import publish

Work = Callable[..., None]


def test_what_failed_or_was_held_since_then_is_sent_again(
    api: Api, agent: Agent, path: str, receiver: Receiver, work: Work
) -> None:
    now = timezone.now()
    wanted = ["failed", "held", "held"]
    for number, status in enumerate(["delivered", "canceled", "failed", *wanted]):
        tell(agent, number)
        Delivery.objects.filter(event__subject=f"call_{number}").update(
            status=status, created_at=now - timedelta(hours=6 - number), next_attempt_at=None
        )
    # It did not choose this one.
    publish(CALL_FAILED, agent=agent, data={"callId": "call_9"})

    answer = api.post(f"{path}/recover", {"since": rfc3339(now - timedelta(hours=3, minutes=30))})
    assert (answer.status_code, answer.json()) == (202, {"recovered": 3})
    work(for_=timedelta(seconds=1))
    told = {request.json["data"]["callId"] for request in receiver.requests}
    assert told == {"call_3", "call_4", "call_5"}
    assert api.post(f"{path}/recover", {"since": rfc3339(now)}).json() == {"recovered": 0}


@pytest.mark.parametrize(
    ("ago", "status"),
    [
        (timedelta(days=14) - timedelta(minutes=1), 202),
        (timedelta(days=14, minutes=1), 400),
        (timedelta(), 202),
        (-timedelta(minutes=1), 400),
    ],
)
def test_how_far_back_it_recovers(api: Api, path: str, ago: timedelta, status: int) -> None:
    answer = api.post(f"{path}/recover", {"since": (timezone.now() - ago).isoformat()})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": None},
        {"since": ""},
        {"since": "nonsense"},
        {"since": 7},
        {"since": []},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"since": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_since_is_required_and_a_time(api: Api, path: str, body: dict[str, Any]) -> None:
    answer = api.post(f"{path}/recover", body)
    assert answer_of(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["fields"]) == ["since"]
