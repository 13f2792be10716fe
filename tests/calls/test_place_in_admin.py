"""Operators place calls from an agent's page."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import QuerySet

from agents.access import set_accounts
from agents.models import Account, Agent, LedgerEntry
from agents.services import disable_agent
from calls.models import Call, DoNotCall
from tests.factories import NUMBER, make_agent
from tests.operator import Operator

GREETING = "Hello {{customer_name}}, your visit is at {{ time }}."


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


@pytest.fixture
def agent(account: Account) -> Agent:
    return make_agent(account, greeting=GREETING, prompt="Remind {{customer_name}}.")


def answers_to(page: str, **fields: str) -> dict[str, str]:
    """The form's hidden fields as the page has them, and what a person fills in."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    return {**hidden, "mode": "test", "to_number": NUMBER, **fields}


def path_of(agent: Agent) -> str:
    return f"calls/call/place/{agent.id}/"


def send(operator: Operator, agent: Agent, **fields: str) -> Any:
    page = operator.read(path_of(agent))
    return operator.post(path_of(agent), **answers_to(page, **fields))


def test_agents_page_leads_to_a_field_for_each_variable(operator: Operator, agent: Agent) -> None:
    button = f"/admin/agents/agent/{agent.id}/place_call/"
    assert button in operator.read(f"agents/agent/{agent.id}/change/")
    assert operator.get(button.removeprefix("/admin/"))["Location"] == f"/admin/{path_of(agent)}"

    page = operator.read(path_of(agent))

    assert re.findall(r'name="(param_\d)"', page) == ["param_0", "param_1"]
    assert page.index("customer_name") < page.index("time")
    assert "+14155550103" in page


def test_test_call_is_placed_by_the_operator(operator: Operator, agent: Agent) -> None:
    answer = send(operator, agent, to_number="(415) 555-0123", param_0="Ada", param_1="")

    call = Call.objects.get()
    assert answer["Location"] == f"/admin/calls/call/{call.id}/change/"
    assert (call.mode, call.carrier, call.status) == ("test", "simulated", "queued")
    assert (call.account, call.agent, call.to_number) == (agent.account, agent, NUMBER)
    assert (call.operator, call.api_key) == ("olivia", None)
    assert (call.client_address, call.request_id) == ("127.0.0.1", answer["X-Request-Id"])
    assert call.params == {"customer_name": "Ada"}
    assert call.missing_params == ["time"]
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("olivia", str(call.id))
    assert "in the admin by olivia" in operator.read(f"calls/call/{call.id}/change/")


def test_live_call_is_placed_after_asking_once_more(operator: Operator, agent: Agent) -> None:
    Agent.objects.update(carrier="twilio", max_duration=150)
    asked = send(operator, agent, mode="live", param_0="Ada").content.decode()

    assert "The phone at +14155550123 rings, over Twilio." in asked
    assert "at most 3 credits: 1 for each started minute, 2 min 30 s at the longest" in asked
    assert "Clinic has 1,000 to spend." in asked
    assert not Call.objects.exists()

    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked))
    operator.post(path_of(agent), **hidden)

    call = Call.objects.get()
    assert (call.mode, call.carrier, call.operator) == ("live", "twilio", "olivia")
    assert call.params == {"customer_name": "Ada"}
    assert LedgerEntry.objects.filter(subject_id=call.id, kind="reserve").exists()


def test_simulated_agent_rings_no_phone_but_costs(operator: Operator, agent: Agent) -> None:
    asked = send(operator, agent, mode="live").content.decode()

    assert "carrier is simulated, so no phone rings." in asked
    assert "at most 10 credits" in asked


def test_button_pressed_twice_places_one_call(operator: Operator, agent: Agent) -> None:
    fields = answers_to(operator.read(path_of(agent)))

    first, second = (operator.post(path_of(agent), **fields) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert Call.objects.count() == LogEntry.objects.count() == 1
    assert "This call was placed already." in operator.read(second["Location"][7:])


def test_form_that_was_changed_places_another(operator: Operator, agent: Agent) -> None:
    fields = answers_to(operator.read(path_of(agent)))

    operator.post(path_of(agent), **fields)
    operator.post(path_of(agent), **{**fields, "to_number": "+14155550101"})

    assert Call.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"to_number": "12"}, "This is no phone number"),
        ({"to_number": ""}, "This field is required"),
        ({"from_number": "nonsense"}, "This is no phone number"),
        ({"mode": "dream"}, "Select a valid choice"),
        ({"to_number": "+14155550110"}, "The call was not placed. "),
        ({"to_number": "+14155550199"}, "This number is on the account&#x27;s do-not-call list."),
        ({"param_0": "a" * 2_001}, "at most 2000 characters"),
    ],
)
def test_refusals_are_said_plainly(
    operator: Operator, agent: Agent, fields: dict[str, str], complaint: str
) -> None:
    DoNotCall.objects.create(account=agent.account, number="+14155550199")

    answer = send(operator, agent, **fields)

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert not Call.objects.exists()
    assert not LogEntry.objects.exists()


def test_agent_without_a_number_is_asked_for_one(operator: Operator, account: Account) -> None:
    agent = make_agent(account, default_number=None)

    assert "This field is required" in send(operator, agent).content.decode()
    send(operator, agent, from_number="+14155550100")

    assert Call.objects.get().from_number == "+14155550100"


def test_disabled_agent_places_none(operator: Operator, agent: Agent) -> None:
    fields = answers_to(operator.read(path_of(agent)))
    disable_agent(agent)

    assert "place_call" not in operator.read(f"agents/agent/{agent.id}/change/")
    assert operator.post(path_of(agent), **fields).status_code == 403
    assert operator.get("calls/call/place/nonsense/").status_code == 404
    assert not Call.objects.exists()


def permissions(*names: str) -> QuerySet[Permission]:
    return Permission.objects.filter(codename__in=names)


def test_who_may_only_look_places_none(operator: Operator, agent: Agent) -> None:
    fields = answers_to(operator.read(path_of(agent)))
    viewer = User.objects.create(username="vera", is_staff=True)
    set_accounts(viewer, None)
    viewer.user_permissions.set(permissions("view_agent", "view_call"))
    operator.browser.force_login(viewer)

    assert "place_call" not in operator.read(f"agents/agent/{agent.id}/change/")
    assert operator.post(path_of(agent), **fields).status_code == 403
    assert not Call.objects.exists()
