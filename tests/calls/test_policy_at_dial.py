"""Rules and days change while a call waits: it is judged again before it is dialled."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from agents.models import Account, Agent
from calls.do_not_call import list_number
from calls.models import Call, CallEvent, CallingRules, Dial
from tests.factories import NUMBER, Api, make_agent
from webhooks.models import Event

Work = Callable[..., None]
SEND = "/api/v1/calls/send"
LONDON = "+442079460000"
# Monday noon in London.
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def noon(clock: time_machine.Traveller) -> time_machine.Traveller:
    clock.move_to(NOON)
    return clock


def send(api: Api, agent: Agent, number: str = LONDON, **more: Any) -> Any:
    answer = api.post(SEND, {"agentId": agent.native_id, "toNumber": number, **more})
    assert answer.status_code == 201, answer.json()
    return answer


def weekdays(account: Account, opens: str, closes: str) -> None:
    hours = [[[opens, closes]]] * 5 + [[], []]
    CallingRules.objects.update_or_create(account=account, defaults={"hours": hours})


def ended() -> tuple[str, str]:
    call = Call.objects.get()
    return call.status, call.reason


def test_a_number_listed_meanwhile_is_not_dialled(
    api: Api, account: Account, agent: Agent, work: Work
) -> None:
    send(api, agent)
    list_number(account, number=LONDON, note="Asked us to stop")
    work(for_=timedelta(seconds=2))
    assert ended() == ("canceled", "do_not_call")
    assert Dial.objects.count() == 0
    assert list(Event.objects.values_list("type", flat=True)) == ["call.failed"]
    account.refresh_from_db()
    assert (str(account.credits), str(account.reserved)) == ("1000.0000", "0.0000")


def test_a_call_that_waited_past_closing_time_is_put_off(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller, work: Work
) -> None:
    weekdays(account, "09:00", "12:10")
    send(api, agent)
    noon.move_to(NOON + timedelta(minutes=11))
    work(for_=timedelta(seconds=2))
    call = Call.objects.get()
    assert call.status == "scheduled"
    assert call.due_at == datetime(2026, 1, 6, 9, tzinfo=UTC)
    line = CallEvent.objects.get(type="postponed")
    assert line.detail == {"reason": "outside_calling_hours", "until": "2026-01-06T09:00:00Z"}
    noon.move_to(datetime(2026, 1, 6, 9, tzinfo=UTC))
    work(for_=timedelta(seconds=10))
    assert ended() == ("completed", "")


def test_a_weekend_is_waited_out(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller, work: Work
) -> None:
    """Longer than a call waits by default: its day begins when it comes due."""
    friday = datetime(2026, 1, 9, 20, tzinfo=UTC)
    noon.move_to(friday)
    weekdays(account, "09:00", "18:00")
    answer = send(api, agent).json()
    assert answer["callStatus"] == "scheduled"
    assert answer["reason"] == "outside_calling_hours"
    assert answer["scheduledAt"] == "2026-01-12T09:00:00Z"
    seen = api.get(f"/api/v1/calls/{answer['callId']}").json()
    assert seen["expiresAt"] == "2026-01-13T09:00:00Z"
    noon.move_to(datetime(2026, 1, 12, 9, tzinfo=UTC))
    work(for_=timedelta(seconds=10))
    assert ended() == ("completed", "")


def test_the_second_call_of_a_person_in_one_batch_waits_for_tomorrow(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller, work: Work
) -> None:
    CallingRules.objects.create(account=account, calls_per_person_per_day=1)
    first = send(api, agent).json()["callId"]
    second = send(api, agent).json()["callId"]
    work(for_=timedelta(seconds=10))
    states = {call.native_id: call.status for call in Call.objects.all()}
    assert states == {first: "completed", second: "scheduled"}
    assert Call.objects.get(status="scheduled").due_at == datetime(2026, 1, 6, tzinfo=UTC)


def test_a_retry_keeps_to_the_hours(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller, work: Work
) -> None:
    weekdays(account, "09:00", "12:10")
    rule = {"causes": ["busy"], "attempts": 2, "gaps": [1200]}
    send(api, agent, "+442079460101", retry=rule)
    work(for_=timedelta(minutes=30))
    assert ended() == ("scheduled", "")
    assert Dial.objects.count() == 1


def test_those_who_may_not_be_called_hold_up_nobody(
    api: Api, account: Account, agent: Agent, work: Work
) -> None:
    CallingRules.objects.create(account=account, countries=["GB", "US"])
    for _ in range(60):
        Call.objects.create(
            account=account,
            agent=agent,
            request_id="r",
            mode="live",
            carrier="simulated",
            to_number="+4930123456",
            from_number=NUMBER,
            ring_timeout=30,
            max_duration=60,
            created_at=NOON,
            due_at=datetime.now(UTC) - timedelta(minutes=5),
        )
    send(api, make_agent(account))
    work(for_=timedelta(seconds=8))
    assert Call.objects.filter(status="canceled", reason="country_not_allowed").count() == 60
    assert Call.objects.get(to_number=LONDON).status == "completed"


def test_a_deleted_agents_calls_are_not_dialled(
    api: Api, agent: Agent, noon: time_machine.Traveller, work: Work
) -> None:
    later = (NOON + timedelta(hours=1)).isoformat()
    send(api, agent, scheduledAt=later)
    assert api.delete(f"/api/v1/agents/{agent.native_id}").status_code == 204
    work(for_=timedelta(hours=2))
    assert ended() == ("canceled", "agent_disabled")
    assert Dial.objects.count() == 0
