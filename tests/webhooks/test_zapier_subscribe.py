"""`POST /api/zapier/subscribe/call-completed`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client

from agents.models import Account, Agent
from agents.services import disable_agent, rotate_agent_secret
from core.times import rfc3339
from tests.factories import Api
from webhooks.models import Subscription, Surface
from webhooks.services import change_subscription

URL = "/api/zapier/subscribe/call-completed"
FORM = "application/x-www-form-urlencoded"
HOOK = "https://hooks.zapier.com/hooks/standard/123/abc"
REQUIRED = {"error": "agent_id, agent_secret and callback_url (or target_url) are required"}
WRONG = {"error": "invalid agent credentials"}
NOT_FOUND = {"error": "agent not found"}
BAD_URL = {"error": "invalid callback_url"}


@pytest.fixture
def given(agent: Agent) -> dict[str, Any]:
    secret = rotate_agent_secret(agent)
    return {"agent_id": str(agent.id), "agent_secret": secret, "callback_url": HOOK}


def answer_of(response: Any) -> tuple[int, Any]:
    return response.status_code, response.json()


def assert_subscribed(response: Any, agent: Agent) -> None:
    subscription = Subscription.objects.get()
    assert answer_of(response) == (
        201,
        {
            "id": str(subscription.id),
            "agent_id": str(agent.id),
            "trigger_key": "call_disposition",
            "callback_url": HOOK,
            "created_at": rfc3339(subscription.created_at),
        },
    )
    assert (subscription.surface, subscription.status) == (Surface.ZAPIER, "enabled")
    assert subscription.account_id == agent.account_id


def test_by_json(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    assert_subscribed(api.post(URL, given), agent)


def test_by_form(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    form, headers = urlencode(given), {"X-API-Key": api.key}
    response = Client().post(URL, form, content_type=FORM, headers=headers)
    assert_subscribed(response, agent)


def test_by_multipart_form(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    assert_subscribed(Client().post(URL, given, headers={"X-API-Key": api.key}), agent)


def test_by_query(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    assert_subscribed(api.post(f"{URL}?{urlencode(given)}"), agent)


def test_the_body_comes_first_and_the_query_fills_its_gaps(
    api: Api, agent: Agent, given: dict[str, Any]
) -> None:
    query = urlencode({"agent_id": agent.id, "callback_url": "https://example.org/other"})
    assert_subscribed(api.post(f"{URL}?{query}", {**given, "agent_id": ""}), agent)


def test_target_url_will_do(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    given["target_url"] = given.pop("callback_url")
    assert_subscribed(api.post(URL, given), agent)
    assert_subscribed(api.post(URL, {**given, "callback_url": ""}), agent)


@pytest.mark.parametrize("missing", ["agent_id", "agent_secret", "callback_url"])
@pytest.mark.parametrize("as_blank", ["left out", None, "", "  "])
def test_what_is_required(
    api: Api, given: dict[str, Any], missing: str, as_blank: str | None
) -> None:
    if as_blank == "left out":
        del given[missing]
    else:
        given[missing] = as_blank
    assert answer_of(api.post(URL, given)) == (400, REQUIRED)
    assert not Subscription.objects.exists()


def test_nothing_at_all(api: Api) -> None:
    assert answer_of(api.post(URL)) == (400, REQUIRED)


@pytest.mark.parametrize("wrong", ["guess", 7, ["x"]])
def test_wrong_secret(api: Api, given: dict[str, Any], wrong: object) -> None:
    assert answer_of(api.post(URL, {**given, "agent_secret": wrong})) == (401, WRONG)
    assert not Subscription.objects.exists()


def test_wrong_secrets_are_limited(test_api: Api, given: dict[str, Any]) -> None:
    statuses = [
        test_api.post(URL, {**given, "agent_secret": "guess"}).status_code for _ in range(21)
    ]
    assert statuses == [401] * 20 + [429]
    assert test_api.post(URL, given).status_code == 201


@pytest.mark.parametrize("unknown", ["01940a6e-1400-7000-8000-000000000001", "nonsense", 7])
def test_unknown_agent(api: Api, given: dict[str, Any], unknown: object) -> None:
    assert answer_of(api.post(URL, {**given, "agent_id": unknown})) == (404, NOT_FOUND)


def test_another_accounts_agent_is_not_there(stranger_api: Api, given: dict[str, Any]) -> None:
    assert answer_of(stranger_api.post(URL, given)) == (404, NOT_FOUND)


def test_a_deleted_agent_is_not_there(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    disable_agent(agent)
    assert answer_of(api.post(URL, given)) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://hooks.zapier.com/hooks/standard/123/abc",
        "ftp://example.org/",
        "https://user:word@example.org/",
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://example.org:22/",
        "https://example.org/" + "x" * 2000,
        7,
        ["https://example.org/"],
    ],
)
def test_refused_target(api: Api, given: dict[str, Any], url: object) -> None:
    assert answer_of(api.post(URL, {**given, "callback_url": url})) == (400, BAD_URL)
    assert not Subscription.objects.exists()


def test_twice_is_the_same_subscription(api: Api, given: dict[str, Any]) -> None:
    first = answer_of(api.post(URL, given))
    assert answer_of(api.post(URL, given)) == first
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_again_turns_it_on_again(
    api: Api, agent: Agent, given: dict[str, Any], status: str
) -> None:
    api.post(URL, given)
    change_subscription(Subscription.objects.get(), status=status)
    assert_subscribed(api.post(URL, given), agent)


def test_after_unsubscribing_it_is_a_new_one(api: Api, given: dict[str, Any]) -> None:
    first = api.post(URL, given).json()
    api.delete(f"/api/zapier/unsubscribe/{first['id']}")
    second = api.post(URL, given)
    assert second.status_code == 201
    assert second.json()["id"] != first["id"]


def test_a_native_webhook_to_the_same_url_is_another_one(
    api: Api, agent: Agent, given: dict[str, Any]
) -> None:
    native = {"url": HOOK, "events": ["call.completed"], "agentId": agent.native_id}
    assert api.post("/api/v1/webhooks", native).status_code == 201
    assert api.post(URL, given).status_code == 201
    listed = api.get("/api/v1/webhooks").json()["results"]
    assert [one["events"] for one in listed] == [["call.completed"]]
    assert Subscription.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_at_the_same_moment_make_one(
    api: Api, account: Account, given: dict[str, Any]
) -> None:
    def subscribe(_: int) -> tuple[int, str]:
        try:
            response = api.post(URL, given)
            return response.status_code, response.json()["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(subscribe, range(16)))

    assert answers == {(201, str(Subscription.objects.get().id))}
