"""Which number a callee sees: with a real carrier, only one that was approved."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Account, Agent, CallerId
from calls.models import Call
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_agent

APPROVED = "+442079460000"
OTHER = "+14155550111"
REFUSED = {
    "error": {
        "code": "from_number_not_allowed",
        "message": "A real carrier shows only the agent's defaultNumber or one of the account's "
        "caller ids; an operator approves them in the admin",
    }
}


@pytest.fixture
def real(account: Account) -> Agent:
    """An agent of a real carrier, whose account has one caller id."""
    CallerId.objects.create(account=account, number=APPROVED)
    return make_agent(account, carrier="dialer")


def native(api: Api, agent: Agent, from_number: str) -> Any:
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "fromNumber": from_number}
    return api.post("/api/v1/calls/send", body)


def zapier(api: Api, agent: Agent, from_number: str) -> Any:
    body = {"agent_id": str(agent.id), "to_number": NUMBER, "from_number": from_number}
    return api.post("/api/zapier/actions/outbound-call", body)


@pytest.mark.parametrize("place", [native, zapier])
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", DEFAULT_NUMBER),
        (DEFAULT_NUMBER, DEFAULT_NUMBER),
        ("(415) 555-0100", DEFAULT_NUMBER),
        (APPROVED, APPROVED),
        ("+44 20 7946 0000", APPROVED),
    ],
)
def test_approved_numbers_are_shown(
    api: Api, real: Agent, place: Callable[..., Any], given: str, shown: str
) -> None:
    assert place(api, real, given).status_code in (200, 201)
    assert Call.objects.get().from_number == shown


def test_any_other_is_refused(api: Api, real: Agent) -> None:
    on_native, on_zapier = native(api, real, OTHER), zapier(api, real, OTHER)

    assert (on_native.status_code, on_native.json()) == (400, REFUSED)
    assert (on_zapier.status_code, on_zapier.json()) == (
        400,
        {"error": "from_number not allowed"},
    )
    assert not Call.objects.exists()


@pytest.mark.parametrize("place", [native, zapier])
def test_another_accounts_caller_id_is_not_ours(
    api: Api, real: Agent, stranger: Account, place: Callable[..., Any]
) -> None:
    CallerId.objects.create(account=stranger, number=OTHER)
    make_agent(stranger, default_number=OTHER)

    assert place(api, real, OTHER).status_code == 400


@pytest.mark.parametrize("place", [native, zapier])
def test_another_agents_number_is_not_this_ones(
    api: Api, real: Agent, place: Callable[..., Any]
) -> None:
    make_agent(real.account, default_number=OTHER)

    assert place(api, real, OTHER).status_code == 400


def test_an_agent_without_a_number_may_show_an_approved_one(api: Api, account: Account) -> None:
    CallerId.objects.create(account=account, number=APPROVED)
    agent = make_agent(account, default_number=None, carrier="dialer")

    assert native(api, agent, APPROVED).status_code == 201
    assert native(api, agent, OTHER).json() == REFUSED


@pytest.mark.parametrize("place", [native, zapier])
def test_simulated_calls_show_what_they_like(
    api: Api, test_api: Api, agent: Agent, real: Agent, place: Callable[..., Any]
) -> None:
    assert place(api, agent, OTHER).status_code in (200, 201)
    assert place(test_api, real, OTHER).status_code in (200, 201)
    assert {call.carrier for call in Call.objects.all()} == {"simulated"}
