"""The agents resource."""

from base64 import b64encode
from typing import Any

import pytest

from agents.models import Agent
from core import secrets
from tests.factories import Api

URL = "/api/v1/agents"
UNSET = {
    "defaultNumber": None,
    "prompt": "",
    "greeting": "",
    "language": "en-US",
    "voice": "",
    "carrier": "simulated",
    "ringTimeout": 30,
    "maxDuration": 600,
    "retry": None,
}


def test_create_shows_the_secret_once_and_stores_its_hash(api: Api) -> None:
    answer = api.post(URL, {"name": "Reminders", "defaultNumber": "+1 (415) 555-0100"})
    body = answer.json()
    agent = Agent.objects.get()
    assert answer.status_code == 201
    assert body == {
        **UNSET,
        "id": agent.native_id,
        "name": "Reminders",
        "defaultNumber": "+14155550100",
        "createdAt": body["createdAt"],
        "secret": body["secret"],
    }
    assert agent.secret_digest == secrets.digest(body["secret"])
    assert "secret" not in api.get(f"{URL}/{agent.native_id}").json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "A", "defaultNumber": "+1234567890"}, "defaultNumber"),
        ({"name": "A", "ringTimeout": 4}, "ringTimeout"),
        ({"name": "A", "ringTimeout": 301}, "ringTimeout"),
        ({"name": "A", "maxDuration": 9}, "maxDuration"),
        ({"name": "A", "maxDuration": 14401}, "maxDuration"),
        ({"name": "A", "carrier": "pigeon"}, "carrier"),
        ({"name": "A", "language": "English please"}, "language"),
        ({"name": "A" * 101}, "name"),
    ],
)
def test_create_refuses(api: Api, body: dict[str, Any], field: str) -> None:
    answer = api.post(URL, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert list(answer.json()["error"]["fields"]) == [field]
    assert not Agent.objects.exists()


@pytest.mark.parametrize("field", ["ringTimeout", "maxDuration"])
def test_create_takes_the_limits_themselves(api: Api, field: str) -> None:
    limits = {"ringTimeout": (5, 300), "maxDuration": (10, 14400)}
    for value in limits[field]:
        assert api.post(URL, {"name": "A", field: value}).json()[field] == value


def test_patch_changes_what_is_given(api: Api, agent: Agent) -> None:
    url = f"{URL}/{agent.native_id}"
    answer = api.patch(url, {"greeting": "Hi {{name}}", "defaultNumber": None})
    assert answer.status_code == 200
    assert answer.json()["greeting"] == "Hi {{name}}"
    assert answer.json()["defaultNumber"] is None
    assert answer.json() == api.get(url).json()
    assert Agent.objects.get().name == "Reminders"


def test_both_forms_of_an_id(api: Api, agent: Agent) -> None:
    for form in (agent.native_id, str(agent.id), agent.id.hex):
        assert api.get(f"{URL}/{form}").json()["id"] == agent.native_id


def test_delete_disables(api: Api, agent: Agent) -> None:
    url = f"{URL}/{agent.native_id}"
    assert api.delete(url).status_code == 204
    assert Agent.objects.get().disabled_at
    assert api.get(URL).json() == {"results": [], "next": None}
    for answer in (api.get(url), api.patch(url, {"name": "B"}), api.delete(url)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")


def test_rotate_secret(api: Api, agent: Agent) -> None:
    answer = api.post(f"{URL}/{agent.native_id}/rotate-secret")
    assert answer.status_code == 200
    assert secrets.matches(answer.json()["secret"], Agent.objects.get().secret_digest)


def test_list_pages_newest_first(api: Api) -> None:
    for number in range(5):
        api.post(URL, {"name": f"Agent {number}"})
    names, url = [], f"{URL}?limit=2"
    while url:
        page = api.get(url).json()
        names.append([agent["name"] for agent in page["results"]])
        url = page["next"]
    assert names == [["Agent 4", "Agent 3"], ["Agent 2", "Agent 1"], ["Agent 0"]]


@pytest.mark.parametrize("position", ["garbage", "%00", "", "2026-13-45"])
def test_a_made_up_cursor_is_a_bad_request(api: Api, agent: Agent, position: str) -> None:
    cursor = b64encode(f"p={position}".encode()).decode()
    for path in (URL, "/api/v1/calls", "/api/v1/webhooks"):
        answer = api.get(f"{path}?cursor={cursor}")
        assert answer.status_code == 400, path


def test_a_broken_cursor_is_a_bad_request(api: Api) -> None:
    answer = api.get(f"{URL}?cursor=nonsense")
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == {"cursor": "is not one that we gave out"}


def test_a_stranger_finds_nothing(stranger_api: Api, agent: Agent) -> None:
    url = f"{URL}/{agent.native_id}"
    assert stranger_api.get(URL).json()["results"] == []
    for answer in (
        stranger_api.get(url),
        stranger_api.patch(url, {"name": "Mine"}),
        stranger_api.delete(url),
        stranger_api.post(f"{url}/rotate-secret"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")
    assert Agent.objects.get().name == "Reminders"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("agents", {"name": 7}),
        ("agents", {"name": "Reminders", "voice": 0}),
        ("webhooks", {"url": 7, "events": ["call.failed"]}),
        ("webhooks", {"url": "https://x.example.org/", "events": ["call.failed"], "agentId": 0}),
        ("do-not-call", {"number": 14155550123}),
        ("do-not-call", {"number": "+14155550123", "note": 7}),
    ],
)
def test_a_number_is_no_text(api: Api, path: str, body: dict[str, object]) -> None:
    answer = api.post(f"/api/v1/{path}", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert "Not a valid string." in answer.json()["error"]["fields"].values()


@pytest.mark.parametrize(("length", "status"), [(20_000, 201), (20_001, 400)])
def test_a_text_must_fit_as_it_was_sent(api: Api, length: int, status: int) -> None:
    prompt = "x".ljust(length)
    assert api.post("/api/v1/agents", {"name": "Reminders", "prompt": prompt}).status_code == status
