"""The webhooks resource."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from tests.factories import NUMBER, Api, make_agent
from tests.receiver import Receiver
from webhooks.models import Delivery, Subscription

URL = "/api/v1/webhooks"
HOOK = {"url": "https://hooks.example.org/outdial", "events": ["call.completed"]}


def test_create_shows_the_secret_once_and_encrypts_it(api: Api, agent: Agent) -> None:
    body = {**HOOK, "agentId": str(agent.id), "description": "CRM"}
    answer = api.post(URL, body)
    subscription = Subscription.objects.get()
    secret = answer.json()["secret"]
    assert answer.status_code == 201
    assert answer.json() == {
        **HOOK,
        "id": subscription.native_id,
        "agentId": agent.native_id,
        "description": "CRM",
        "requestsPerSecond": None,
        "status": "enabled",
        "statusReason": None,
        "createdAt": answer.json()["createdAt"],
        "secret": secret,
    }
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 44
    assert secret not in str(Subscription.objects.values().get())
    seen = api.get(f"{URL}/{subscription.native_id}").json()
    assert seen == {key: value for key, value in answer.json().items() if key != "secret"}
    assert api.get(URL).json() == {"results": [seen], "next": None}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": None}, "url"),
        ({"url": "https://a.example/" + "x" * 2000}, "url"),
        ({"events": []}, "events"),
        ({"events": None}, "events"),
        ({"events": ["call.rang"]}, "events.0"),
        ({"events": "call.completed"}, "events"),
        ({"description": "x" * 201}, "description"),
        ({"status": "disabled"}, "status"),
    ],
)
def test_create_refuses(api: Api, change: dict[str, Any], field: str) -> None:
    answer = api.post(URL, {**HOOK, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert list(answer.json()["error"]["fields"]) == [field]


def test_an_agent_must_be_the_accounts_own(api: Api, stranger: Any) -> None:
    foreign = make_agent(stranger)
    answer = api.post(URL, {**HOOK, "agentId": foreign.native_id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")


@pytest.mark.parametrize("url", ["http://hooks.example.org/", "https://10.0.0.1/", "nonsense"])
def test_a_refused_target(api: Api, url: str) -> None:
    assert api.post(URL, {**HOOK, "url": url}).json()["error"]["code"] == "invalid_url"
    webhook = api.post(URL, HOOK).json()
    answer = api.patch(f"{URL}/{webhook['id']}", {"url": url})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_url")
    assert Subscription.objects.get().url == HOOK["url"]


def test_patch_changes_what_is_given(api: Api, agent: Agent) -> None:
    path = f"{URL}/{api.post(URL, HOOK).json()['id']}"
    changed = api.patch(path, {"events": ["call.failed", "call.failed"], "agentId": str(agent.id)})
    assert changed.status_code == 200
    assert changed.json()["events"] == ["call.failed"]
    assert changed.json()["agentId"] == agent.native_id
    assert api.patch(path, {"agentId": None}).json()["agentId"] is None
    assert api.get(path).json()["url"] == HOOK["url"]


def test_what_happens_while_paused_is_sent_on_resume(
    api: Api, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    path = f"{URL}/{api.post(URL, {**HOOK, 'url': receiver.url}).json()['id']}"
    assert api.patch(path, {"status": "paused"}).json()["status"] == "paused"
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    assert receiver.requests == []
    assert Delivery.objects.get().status == "held"
    assert api.patch(path, {"status": "enabled"}).json()["status"] == "enabled"
    work()
    assert receiver.events == ["call.completed"]


def test_delete_stops_what_is_on_its_way(
    api: Api, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    path = f"{URL}/{api.post(URL, {**HOOK, 'url': receiver.url}).json()['id']}"
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    assert api.delete(path).status_code == 204
    work()
    assert receiver.requests == []
    assert api.get(URL).json()["results"] == []
    for answer in (api.get(path), api.patch(path, HOOK), api.delete(path)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "webhook_not_found")


def test_a_stranger_finds_nothing(api: Api, stranger_api: Api) -> None:
    path = f"{URL}/{api.post(URL, HOOK).json()['id']}"
    assert stranger_api.get(URL).json()["results"] == []
    for answer in (
        stranger_api.get(path),
        stranger_api.patch(path, {"status": "paused"}),
        stranger_api.delete(path),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "webhook_not_found")
    assert Subscription.objects.get().status == "enabled"
