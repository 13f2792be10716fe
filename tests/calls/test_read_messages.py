"""Messages read back: one, and many."""

from collections.abc import Callable
from datetime import datetime

import pytest

from agents.models import Agent
from calls.models import Message
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_agent

URL = "/api/v1/sms"
UNKNOWN = "01940a6e-1400-7000-8000-000000000001"


@pytest.fixture
def message(api: Api, agent: Agent) -> Message:
    return send(api, agent)


def send(api: Api, agent: Agent, to_number: str = NUMBER, **fields: object) -> Message:
    body = {"agentId": agent.native_id, "toNumber": to_number, "message": "Hello", **fields}
    message_id = api.post(f"{URL}/send", body).json()["messageId"]
    return Message.objects.get(id=message_id.removeprefix("sms_"))


def test_a_message_that_waits_has_nulls_for_what_is_to_come(
    api: Api, agent: Agent, message: Message
) -> None:
    seen = api.get(f"{URL}/{message.native_id}").json()
    assert datetime.fromisoformat(seen.pop("createdAt")) == message.created_at
    assert seen == {
        "id": message.native_id,
        "agentId": agent.native_id,
        "fromNumber": DEFAULT_NUMBER,
        "toNumber": NUMBER,
        "message": "Hello",
        "status": "queued",
        "reason": None,
        "segments": 1,
        "params": None,
        "mode": "live",
        "sentAt": None,
        "deliveredAt": None,
        "endedAt": None,
        "cost": None,
    }


def test_a_message_that_arrived(api: Api, message: Message, work: Callable[..., None]) -> None:
    work()
    seen = api.get(f"{URL}/{message.native_id}").json()
    assert (seen["status"], seen["reason"], seen["cost"]) == ("delivered", None, "0.5")
    assert seen["createdAt"] < seen["sentAt"] < seen["deliveredAt"] == seen["endedAt"]
    assert seen["sentAt"].endswith("Z")


def test_a_message_that_failed(api: Api, agent: Agent, work: Callable[..., None]) -> None:
    message = send(api, agent, "+14155550104")
    work()
    seen = api.get(f"{URL}/{message.native_id}").json()
    assert (seen["status"], seen["reason"], seen["cost"]) == ("failed", "rejected", "0")
    assert (seen["sentAt"], seen["deliveredAt"]) == (None, None)
    assert seen["endedAt"]


def test_either_form_of_the_id_finds_it(api: Api, message: Message) -> None:
    for form in (message.native_id, str(message.id), message.id.hex, str(message.id).upper()):
        assert api.get(f"{URL}/{form}").json()["id"] == message.native_id


@pytest.mark.parametrize("message_id", ["nonsense", "call_" + "0" * 32, UNKNOWN, "sms_", "é"])
def test_an_unknown_id_is_not_found(api: Api, message_id: str) -> None:
    answer = api.get(f"{URL}/{message_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "message_not_found")


def test_a_stranger_finds_nothing(stranger_api: Api, message: Message) -> None:
    assert stranger_api.get(URL).json() == {"results": [], "next": None}
    answer = stranger_api.get(f"{URL}/{message.native_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "message_not_found")


def test_the_list_is_newest_first_and_pages(api: Api, agent: Agent) -> None:
    messages = [send(api, agent) for _ in range(5)]
    seen, url = [], f"{URL}?limit=2"
    while url:
        page = api.get(url).json()
        assert len(page["results"]) <= 2
        seen += [message["id"] for message in page["results"]]
        url = page["next"]
    assert seen == [message.native_id for message in reversed(messages)]


def test_filters(api: Api, agent: Agent) -> None:
    other = make_agent(agent.account, name="Other")
    first = send(api, agent)
    second = send(api, other, "+14155550199")
    between = (first.created_at + (second.created_at - first.created_at) / 2).isoformat()
    for query, expected in [
        (f"agentId={agent.native_id}", [first]),
        (f"agentId={other.id}", [second]),
        ("agentId=nonsense", []),
        ("toNumber=%2B14155550199", [second]),
        ("toNumber=+14155550199", [second]),
        ("status=queued", [second, first]),
        ("status=delivered", []),
        (f"createdAfter={between.replace('+', '%2B')}", [second]),
        (f"createdBefore={between.replace('+00:00', 'Z')}&status=queued", [first]),
    ]:
        seen = [message["id"] for message in api.get(f"{URL}?{query}").json()["results"]]
        assert seen == [message.native_id for message in expected], query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=ringing", "status"),
        ("createdAfter=yesterday", "createdAfter"),
        ("toNumber=nonsense", "toNumber"),
        ("cursor=nonsense", "cursor"),
    ],
)
def test_a_filter_that_makes_no_sense(api: Api, query: str, field: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
