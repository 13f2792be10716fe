"""Operators say when an agent dials again, and how much it and its account may do at once."""

import pytest

from agents.models import Account, Agent
from tests.agents.test_admin import AGENT
from tests.operator import Operator


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


RETRY = {
    "retry_causes": ["busy", "no_answer"],
    "retry_attempts": "3",
    "retry_gaps": "300, 3600",
}
STORED = {"causes": ["busy", "no_answer"], "attempts": 3, "gaps": [300, 3600]}


def test_agent_is_made_with_a_retry_rule(operator: Operator, account: Account) -> None:
    operator.post(
        "agents/agent/add/",
        account=account.id,
        **AGENT,
        **RETRY,
        max_concurrent_calls="5",
        calls_per_second="2",
    )

    agent = Agent.objects.get()
    assert agent.retry == STORED
    assert (agent.max_concurrent_calls, agent.calls_per_second) == (5, 2)
    page = operator.read(f"agents/agent/{agent.id}/change/")
    assert 'value="300, 3600"' in page
    assert page.count(" checked ") + page.count(" checked>") == 2


def test_agent_without_causes_never_dials_again(operator: Operator, account: Account) -> None:
    operator.post("agents/agent/add/", account=account.id, **AGENT, retry_attempts="3")

    assert Agent.objects.get().retry is None


def test_retry_rule_is_changed_and_taken_away(operator: Operator, agent: Agent) -> None:
    path = f"agents/agent/{agent.id}/change/"

    operator.post(path, **AGENT, **RETRY)
    agent.refresh_from_db()
    assert agent.retry == STORED

    operator.post(path, **AGENT, **{**RETRY, "retry_gaps": ""})
    agent.refresh_from_db()
    assert agent.retry == {**STORED, "gaps": [300]}

    operator.post(path, **AGENT, retry_attempts="3", retry_gaps="300")
    agent.refresh_from_db()
    assert agent.retry is None


def test_form_that_stood_open_keeps_anothers_retry_rule(operator: Operator, agent: Agent) -> None:
    path = f"agents/agent/{agent.id}/change/"
    Agent.objects.update(retry=STORED)

    operator.post(path, **{**AGENT, "name": "Renamed"}, **RETRY)

    agent.refresh_from_db()
    assert (agent.name, agent.retry) == ("Renamed", STORED)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"retry_gaps": "soon"}, "Write whole seconds, as 300, 3600."),
        ({"retry_gaps": "9"}, "Each is from 10 to 604,800 seconds."),
        ({"retry_gaps": "604801"}, "Each is from 10 to 604,800 seconds."),
        ({"retry_gaps": ",".join(["10"] * 11)}, "At most 10 of them."),
        ({"retry_attempts": ""}, "Say how often it is dialled."),
        ({"retry_attempts": "0"}, "greater than or equal to 1"),
        ({"retry_attempts": "11"}, "less than or equal to 10"),
        ({"retry_causes": ["declined"]}, "Select a valid choice"),
        ({"max_concurrent_calls": "0"}, "greater than or equal to 1"),
        ({"calls_per_second": "0"}, "greater than or equal to 1"),
    ],
)
def test_form_says_what_is_wrong(
    operator: Operator, account: Account, fields: dict[str, str], complaint: str
) -> None:
    answer = operator.post("agents/agent/add/", account=account.id, **{**AGENT, **RETRY, **fields})

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert not Agent.objects.exists()


@pytest.mark.parametrize(("given", "stored"), [("7", 7), ("", None)])
def test_account_starts_so_many_calls_a_second(
    operator: Operator, account: Account, given: str, stored: int | None
) -> None:
    operator.post(
        f"agents/account/{account.id}/change/",
        name="Hospital",
        max_concurrent_calls="5",
        calls_per_second=given,
        **{"ledger-TOTAL_FORMS": "0", "ledger-INITIAL_FORMS": "0"},
    )

    account.refresh_from_db()
    assert (account.name, account.calls_per_second) == ("Hospital", stored)
