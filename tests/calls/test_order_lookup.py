"""A key that is looked up together with its order opens and refuses as one that is not."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Account, Agent, ApiKey
from calls.models import Call
from tests.factories import NUMBER, Api, make_agent, make_key

URL = "/api/v1/calls/send"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is asked step by step")
@pytest.mark.django_db(transaction=True)
def test_a_plain_order_is_two_statements(api: Api, agent: Agent) -> None:
    order = {"agentId": agent.native_id, "toNumber": NUMBER}
    assert api.post(URL, order).status_code == 201  # notes that the key is in use
    with CaptureQueriesContext(connection) as asked:
        assert api.post(URL, order).status_code == 201
    assert len(asked) == 2, asked.captured_queries


def test_a_key_is_judged_before_its_order(account: Account, agent: Agent) -> None:
    key = make_key(account)
    ApiKey.objects.update(revoked_at=agent.created_at)
    for order in (
        {"agentId": agent.native_id, "toNumber": NUMBER},
        {"agentId": "agent_none", "toNumber": "1"},
        ["no order"],
    ):
        answer = Api(key).post(URL, order)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("body", ["{", '{"agentId": 1, "toNumber": {}}', "[]", '{"toNumber": "1"}'])
def test_what_is_wrong_with_an_order_is_said_to_a_good_key(live_key: str, body: str) -> None:
    headers = {"X-API-Key": live_key}
    answer: Any = Client().post(URL, data=body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert answer["RateLimit-Remaining"] == "59"


def test_another_accounts_agent_is_not_found(api: Api, stranger: Account) -> None:
    order = {"agentId": make_agent(stranger).native_id, "toNumber": NUMBER}
    answer = api.post(URL, order)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")
    assert not Call.objects.exists()


def test_each_name_given_twice_is_refused(live_key: str, agent: Agent, stranger: Account) -> None:
    """What is looked up at first sight is not what is accepted."""
    other = make_agent(stranger).native_id
    body = f'{{"agentId": "{other}", "agentId": "{agent.native_id}", "toNumber": "{NUMBER}"}}'
    headers = {"X-API-Key": live_key}
    answer: Any = Client().post(URL, data=body, content_type="application/json", headers=headers)
    assert answer.status_code == 400
    assert not Call.objects.exists()
