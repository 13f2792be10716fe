"""A call that has ended is placed again by an operator."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from agents.access import set_accounts
from agents.models import Account, Agent
from agents.services import disable_agent
from calls.models import Call, DoNotCall
from tests.calls.test_admin import place
from tests.factories import Api
from tests.operator import Operator

Work = Callable[..., None]
SAME = (
    "account",
    "agent",
    "mode",
    "to_number",
    "from_number",
    "params",
    "metadata",
    "campaign_id",
    "max_duration",
    "ring_timeout",
    "retry",
)


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


@pytest.fixture
def ended(api: Api, agent: Agent, work: Work) -> Call:
    call = place(
        api,
        agent,
        number="+14155550101",
        fromNumber="+14155550177",
        params={"name": "Ada"},
        metadata={"crm": 7},
        campaignId="01940a6e-1400-7000-8000-000000000001",
        maxDuration=60,
        ringTimeout=20,
    )
    work()
    call.refresh_from_db()
    assert call.status == "busy"
    return call


def press(operator: Operator, call: Call) -> Any:
    path = f"calls/call/{call.id}/call_again/"
    once = re.search(r'name="once" value="([^"]+)"', operator.read(path))
    assert once
    return operator.post(path, once=once[1])


def test_call_is_placed_again_after_asking(operator: Operator, ended: Call) -> None:
    page = operator.read(f"calls/call/{ended.id}/call_again/")
    assert "Call +14155550101 again?" in page
    assert "at most 1 credit: 1 for each started minute, 1 min at the longest" in page
    assert Call.objects.count() == 1

    answer = press(operator, ended)

    again = Call.objects.exclude(id=ended.id).get()
    assert answer["Location"] == f"/admin/calls/call/{again.id}/change/"
    assert {name: getattr(again, name) for name in SAME} == {
        name: getattr(ended, name) for name in SAME
    }
    assert (again.operator, again.api_key, again.status) == ("olivia", None, "queued")
    told = {entry.object_id: entry.change_message for entry in LogEntry.objects.all()}
    assert told == {
        str(ended.id): f"Called again: {again.native_id}.",
        str(again.id): "Placed in the admin.",
    }
    assert again.native_id in operator.read(f"calls/call/{ended.id}/history/")


def test_pressed_twice_it_is_placed_once(operator: Operator, ended: Call) -> None:
    path = f"calls/call/{ended.id}/call_again/"
    once = "01940a6e-1400-7000-8000-000000000002"

    first, second = (operator.post(path, once=once) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert Call.objects.count() == 2


def test_refusal_is_said_plainly(operator: Operator, ended: Call) -> None:
    DoNotCall.objects.create(account=ended.account, number=ended.to_number)

    answer = press(operator, ended)

    assert answer.status_code == 200
    assert "The call was not placed. This number is on the account" in answer.content.decode()
    assert Call.objects.count() == 1
    assert not LogEntry.objects.exists()


def test_calling_again_costs_credits(operator: Operator, ended: Call) -> None:
    Account.objects.update(credits=0)

    answer = press(operator, ended)

    assert "The call was not placed." in answer.content.decode()
    assert Call.objects.count() == 1


def test_only_an_ended_call_of_an_enabled_agent(
    operator: Operator, ended: Call, api: Api, agent: Agent
) -> None:
    waiting = place(api, agent)
    assert "call_again" not in operator.read(f"calls/call/{waiting.id}/change/")
    assert operator.get(f"calls/call/{waiting.id}/call_again/").status_code == 403
    assert "call_again" in operator.read(f"calls/call/{ended.id}/change/")

    disable_agent(agent)

    assert "call_again" not in operator.read(f"calls/call/{ended.id}/change/")
    assert operator.get(f"calls/call/{ended.id}/call_again/").status_code == 403


def test_who_may_only_look_calls_nobody(operator: Operator, ended: Call) -> None:
    viewer = User.objects.create(username="vera", is_staff=True)
    set_accounts(viewer, None)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_call"))
    operator.browser.force_login(viewer)

    assert "call_again" not in operator.read(f"calls/call/{ended.id}/change/")
    assert operator.post(f"calls/call/{ended.id}/call_again/").status_code == 403
    assert Call.objects.count() == 1
