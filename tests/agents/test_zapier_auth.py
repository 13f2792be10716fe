"""`GET /api/zapier/auth/test`: the four answers, and what labels the connection."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from agents import keys
from agents.models import Account, Agent, ApiKey
from agents.services import create_agent, disable_agent, revoke_key
from tests.factories import Api, make_key

Ask = Callable[..., tuple[int, object]]

URL = "/api/zapier/auth/test"
OK = {"ok": True, "account": "Clinic"}
VERIFIED = {**OK, "agent_name": "Reminders"}
HALF = {"ok": False, "error": "agent_id and agent_secret required"}
NOT_FOUND = {"ok": False, "error": "agent not found"}
WRONG = {"ok": False, "error": "invalid agent credentials"}
MISSING_KEY = {"error": "Missing API key"}
INVALID_KEY = {"detail": "Invalid API key"}


@pytest.fixture
def named(account: Account) -> tuple[Agent, str]:
    return create_agent(account, name="Reminders")


def by_query(api: Api, **fields: str) -> tuple[int, object]:
    answer = api.get(f"{URL}?{urlencode(fields)}")
    return answer.status_code, answer.json()


def by_headers(api: Api, **fields: str) -> tuple[int, object]:
    headers = {f"X_{name.title()}": value for name, value in fields.items()}
    answer = api.get(URL, **headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("ask", [by_query, by_headers])
class TestAgentCredentials:
    def test_right(self, api: Api, named: tuple[Agent, str], ask: Ask) -> None:
        agent, secret = named
        assert ask(api, agent_id=str(agent.id), agent_secret=secret) == (200, VERIFIED)
        assert ask(api, agent_id=agent.native_id, agent_secret=secret) == (200, VERIFIED)

    def test_none_or_blank(self, api: Api, ask: Ask) -> None:
        assert ask(api) == (200, OK)
        assert ask(api, agent_id="", agent_secret="") == (200, OK)

    def test_half(self, api: Api, named: tuple[Agent, str], ask: Ask) -> None:
        agent, secret = named
        assert ask(api, agent_id=str(agent.id)) == (401, HALF)
        assert ask(api, agent_id=str(agent.id), agent_secret="") == (401, HALF)
        assert ask(api, agent_secret=secret) == (401, HALF)

    def test_unknown_agent(self, api: Api, named: tuple[Agent, str], ask: Ask) -> None:
        for unknown in ("01940a6e-1400-7000-8000-000000000001", "nonsense"):
            assert ask(api, agent_id=unknown, agent_secret=named[1]) == (404, NOT_FOUND)

    def test_wrong_secret(self, api: Api, named: tuple[Agent, str], ask: Ask) -> None:
        agent, secret = named
        for wrong in ("guess", secret[:-1], secret.upper()):
            assert ask(api, agent_id=str(agent.id), agent_secret=wrong) == (401, WRONG)

    def test_another_accounts_agent_is_not_there(
        self, stranger_api: Api, named: tuple[Agent, str], ask: Ask
    ) -> None:
        agent, secret = named
        asked = ask(stranger_api, agent_id=str(agent.id), agent_secret=secret)
        assert asked == (404, NOT_FOUND)


def test_a_deleted_agent_is_not_there(api: Api, named: tuple[Agent, str]) -> None:
    agent, secret = named
    disable_agent(agent)
    asked = by_query(api, agent_id=str(agent.id), agent_secret=secret)
    assert asked == (404, NOT_FOUND)


def test_one_part_may_come_by_query_and_the_other_by_header(
    api: Api, named: tuple[Agent, str]
) -> None:
    agent, secret = named
    answer = api.get(f"{URL}?agent_id={agent.id}&agent_secret=", X_Agent_Secret=secret)
    assert (answer.status_code, answer.json()) == (200, VERIFIED)


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_either_key_header_opens(live_key: str, header: str) -> None:
    value = live_key if header == "X-API-Key" else f"Bearer {live_key}"
    answer = Client().get(URL, headers={header: value})
    assert (answer.status_code, answer.json()) == (200, OK)


def test_no_key(db: None) -> None:
    answer = Client().get(URL)
    assert (answer.status_code, answer.json()) == (401, MISSING_KEY)
    assert answer["WWW-Authenticate"] == "Bearer"


def test_unknown_revoked_and_expired_keys_look_the_same(account: Account) -> None:
    revoked, expired = make_key(account), make_key(account, expires_at=timezone.now())
    revoke_key(ApiKey.objects.get(hint=keys.hint(revoked)))
    for key in (keys.new_key("live"), "nonsense", revoked, expired):
        answer = Api(key).get(URL)
        assert (answer.status_code, answer.json()) == (401, INVALID_KEY)


def test_wrong_secrets_are_limited_by_address_and_right_ones_never(
    api: Api, test_api: Api, named: tuple[Agent, str]
) -> None:
    agent, secret = named
    wrong = {"agent_id": str(agent.id), "agent_secret": "x"}
    with time_machine.travel(timezone.now(), tick=False):  # no window ends meanwhile
        guesses = [by_query(test_api, **wrong)[0] for _ in range(21)]
        refused = test_api.get(f"{URL}?{urlencode(wrong)}")
    assert guesses == [401] * 20 + [429]
    seconds = refused["Retry-After"]
    assert refused.json() == {"error": f"Too many requests. Please try again in {seconds} seconds."}
    assert by_query(api, agent_id=str(agent.id), agent_secret=secret) == (200, VERIFIED)
