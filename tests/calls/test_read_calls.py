"""Calls read back: one, many, their timelines, and the account."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from calls.models import Call
from core.ids import new_id
from tests.factories import NUMBER, Api, make_agent

URL = "/api/v1/calls"
UNKNOWN = "01940a6e-1400-7000-8000-000000000001"


@pytest.fixture
def call(api: Api, agent: Agent) -> Call:
    return place(api, agent)


def place(api: Api, agent: Agent, to_number: str = NUMBER, **fields: object) -> Call:
    body = {"agentId": agent.native_id, "toNumber": to_number, **fields}
    call_id = api.post(f"{URL}/send", body).json()["callId"]
    return Call.objects.get(id=call_id.removeprefix("call_"))


def test_either_form_of_the_id_finds_it(api: Api, call: Call) -> None:
    for form in (call.native_id, str(call.id), call.id.hex, str(call.id).upper()):
        assert api.get(f"{URL}/{form}").json()["id"] == call.native_id


@pytest.mark.parametrize("call_id", ["nonsense", "agent_" + "0" * 32, UNKNOWN, "call_", "é"])
def test_an_unknown_id_is_not_found(api: Api, call_id: str) -> None:
    for path in (f"{URL}/{call_id}", f"{URL}/{call_id}/events"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "call_not_found")


def test_a_stranger_finds_nothing(stranger_api: Api, call: Call) -> None:
    assert stranger_api.get(URL).json() == {"results": [], "next": None}
    for path in (f"{URL}/{call.native_id}", f"{URL}/{call.native_id}/events"):
        assert stranger_api.get(path).status_code == 404


def test_the_list_is_newest_first_and_pages(api: Api, agent: Agent) -> None:
    calls = [place(api, agent) for _ in range(5)]
    seen, url = [], f"{URL}?limit=2"
    while url:
        page = api.get(url).json()
        assert len(page["results"]) <= 2
        seen += [call["id"] for call in page["results"]]
        url = page["next"]
    assert seen == [call.native_id for call in reversed(calls)]


def test_lists_load_no_transcripts(api: Api, agent: Agent) -> None:
    place(api, agent)
    with CaptureQueriesContext(connection) as queries:
        api.get(URL)
    assert not any("transcript" in query["sql"] for query in queries)


def test_filters(api: Api, account: object, agent: Agent) -> None:
    campaign = new_id()
    other = make_agent(agent.account, name="Other")
    first = place(api, agent)
    second = place(api, other, "+14155550199", campaignId=str(campaign))
    between = (first.created_at + (second.created_at - first.created_at) / 2).isoformat()
    for query, expected in [
        (f"agentId={agent.native_id}", [first]),
        (f"agentId={other.id}", [second]),
        ("agentId=nonsense", []),
        ("toNumber=%2B14155550199", [second]),
        ("toNumber=+14155550199", [second]),
        (f"campaignId={campaign}", [second]),
        ("status=queued", [second, first]),
        ("status=completed", []),
        (f"createdAfter={between.replace('+', '%2B')}", [second]),
        (f"createdBefore={between.replace('+00:00', 'Z')}", [first]),
        (f"createdBefore={between.replace('+00:00', 'Z')}&status=queued", [first]),
    ]:
        seen = [call["id"] for call in api.get(f"{URL}?{query}").json()["results"]]
        assert seen == [call.native_id for call in expected], query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=sleeping", "status"),
        ("createdAfter=yesterday", "createdAfter"),
        ("campaignId=spring", "campaignId"),
        ("toNumber=nonsense", "toNumber"),
        ("agentId=%00", "agentId"),
    ],
)
def test_a_filter_that_makes_no_sense(api: Api, query: str, field: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_the_timeline_tells_the_whole_story(
    api: Api, call: Call, work: Callable[..., None]
) -> None:
    work()
    lines = api.get(f"{URL}/{call.native_id}/events").json()["results"]
    assert [line["type"] for line in reversed(lines)] == [
        "queued",
        "dialing",
        "accepted_by_carrier",
        "ringing",
        "in_progress",
        "completed",
    ]
    assert lines[0].keys() == {"type", "at", "dial", "detail"}
    assert [line["dial"] for line in reversed(lines)] == [None, 1, 1, 1, 1, 1]


def test_the_account_and_what_it_has_under_way(
    api: Api, agent: Agent, call: Call, work: Callable[..., None]
) -> None:
    seen = api.get("/api/v1/account").json()
    assert seen == {
        "id": seen["id"],
        "name": "Clinic",
        "credits": "990",
        "reserved": "10",
        "maxConcurrentCalls": 30,
        "activeCalls": 0,
        "queuedCalls": 1,
    }
    work(for_=timedelta(seconds=1))
    under_way = api.get("/api/v1/account").json()
    assert (under_way["activeCalls"], under_way["queuedCalls"]) == (1, 0)
    work()
    ended = api.get("/api/v1/account").json()
    assert (ended["activeCalls"], ended["credits"], ended["reserved"]) == (0, "999", "0")


@pytest.mark.parametrize("query", ["toNumber=", "agentId=", "status=", "createdAfter="])
def test_a_filter_by_nothing_is_an_error_not_everything(api: Api, query: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert list(answer.json()["error"]["fields"]) == [query.rstrip("=")]


@pytest.mark.parametrize("limit", ["", "0", "-1", "ten", "1.5", "²", "null"])
def test_a_limit_that_is_no_number_is_an_error(api: Api, limit: str) -> None:
    answer = api.get(f"{URL}?limit={limit}")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["limit"])


def test_a_limit_beyond_the_most_is_the_most(api: Api) -> None:
    assert api.get(f"{URL}?limit=1000").status_code == 200
    assert api.get(f"{URL}?limit={'9' * 6000}").status_code == 200
