"""The operators' pages about calls."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Account, Agent
from calls.explanations import REASONS
from calls.models import Call
from tests.factories import NUMBER, Api
from tests.operator import Operator
from tests.receiver import Receiver, Reply
from webhooks.services import subscribe

Work = Callable[..., None]


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def place(api: Api, agent: Agent, *, number: str = NUMBER, **fields: object) -> Call:
    order = {"agentId": agent.native_id, "toNumber": number, **fields}
    answer = api.post("/api/v1/calls/send", order)
    assert answer.status_code == 201, answer.content
    return Call.objects.latest("created_at", "id")


def test_call_page_tells_its_story(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda request: Reply(status=500)
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    call = place(api, agent, params={"name": "Ada <b>", "visits": [1, 2]}, metadata={"crm": "4711"})
    work()

    page = operator.read(f"calls/call/{call.id}/change/")

    assert page.index("Accepted, waiting") < page.index("Asked the carrier")
    told = page[page.index("Timeline") :]
    assert told.index("Ringing") < told.index("Answered") < told.index("Ended after")
    assert "Ada &lt;b&gt;" in page
    assert "[1, 2]" in page
    assert "4711" in page
    assert receiver.url in page
    assert "Attempt 1" in page
    assert "The server answered with an error" in page
    assert call.native_id in page


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("+14155550104", REASONS["rejected"]),
        ("+14155550105", REASONS["carrier_silent"]),
        ("+14155550108", "answer was lost"),
        ("+14155550107", "The carrier refused the call"),
    ],
)
def test_call_page_explains_in_plain_words(
    operator: Operator, api: Api, agent: Agent, work: Work, number: str, words: str
) -> None:
    call = place(api, agent, number=number)
    work(for_=timedelta(minutes=5))

    page = operator.read(f"calls/call/{call.id}/change/").replace("&#x27;", "'")

    assert words in page


def test_call_page_shows_what_was_said(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)
    assert "Conversation" not in operator.read(f"calls/call/{call.id}/change/")

    Call.objects.update(
        transcript="Agent: Hi <b>\nCallee: Hi",
        summary="They greet.",
        recording_url="https://voice.example.org/7.mp3",
    )

    page = operator.read(f"calls/call/{call.id}/change/")
    assert '<dt class="od-muted">Agent</dt><dd>Hi &lt;b&gt;</dd>' in page
    assert "They greet." in page
    assert 'href="https://voice.example.org/7.mp3"' in page
    Call.objects.update(transcript="Agent: Hi <b>\n(nobody speaks)")
    page = operator.read(f"calls/call/{call.id}/change/")
    assert "Agent: Hi &lt;b&gt;\n(nobody speaks)" in page
    assert "They greet." not in operator.read("calls/call/")


def test_waiting_call_has_a_page(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)

    page = operator.read(f"calls/call/{call.id}/change/")

    assert "Not dialled yet" in page
    assert "Nothing has been told yet" in page


def test_waiting_call_shows_its_place(operator: Operator, api: Api, agent: Agent) -> None:
    for _ in range(3):
        call = place(api, agent)

    page = operator.read(f"calls/call/{call.id}/change/").replace("&#x27;", "'")

    assert "Number 3 in its account's queue" in page


def test_call_is_canceled_after_a_question(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)

    assert "Cancel this call?" in operator.read(f"calls/call/{call.id}/cancel/")
    call.refresh_from_db()
    assert call.status == "queued"

    answer = operator.post(f"calls/call/{call.id}/cancel/")
    call.refresh_from_db()
    assert (answer.status_code, call.status) == (302, "canceled")
    assert "The call is being ended." in operator.read(f"calls/call/{call.id}/history/")
    assert operator.get(f"calls/call/{call.id}/cancel/").status_code == 403


def test_calls_are_only_read(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)
    page = operator.read(f"calls/call/{call.id}/change/")

    assert 'name="_save"' not in page
    assert operator.get("calls/call/add/").status_code == 403
    assert operator.post(f"calls/call/{call.id}/change/").status_code == 403
    assert operator.post(f"calls/call/{call.id}/delete/", post="yes").status_code == 403
    operator.post("calls/call/", action="delete_selected", _selected_action=str(call.id))
    assert Call.objects.exists()


def test_call_is_found_by_number_and_every_id(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)
    other = place(api, agent, number="+14155550199")
    Call.objects.filter(id=call.id).update(client_id=uuid4())
    call.refresh_from_db()
    texts = [call.native_id, str(call.id), str(call.client_id), NUMBER, "+1 (415) 555-0123"]

    for text in texts:
        found = operator.read("calls/call/", q=text)
        assert f"{call.id}/change/" in found
        assert f"{other.id}/change/" not in found
    assert f"{call.id}/change/" not in operator.read("calls/call/", q="0123")


def test_list_without_calls_says_so(operator: Operator) -> None:
    assert "No calls yet" in operator.read("calls/call/")
    assert "Nothing matches" in operator.read("calls/call/", q=NUMBER)


def test_calls_are_filtered(
    operator: Operator, api: Api, test_api: Api, agent: Agent, stranger: Account
) -> None:
    live, test = place(api, agent), place(test_api, agent)

    found = operator.read("calls/call/", mode__exact="test")
    assert f"{test.id}/change/" in found
    assert f"{live.id}/change/" not in found
    assert f"{live.id}/change/" not in operator.read("calls/call/", status__exact="failed")
    theirs = operator.read("calls/call/", account__id__exact=str(stranger.id))
    assert f"{live.id}/change/" not in theirs


def test_list_asks_no_more_for_more_calls(operator: Operator, api: Api, agent: Agent) -> None:
    place(api, agent)
    with CaptureQueriesContext(connection) as one:
        operator.read("calls/call/")
    for _ in range(5):
        place(api, agent)
    with CaptureQueriesContext(connection) as many:
        operator.read("calls/call/")

    assert len(many) == len(one) <= 4


def test_page_asks_no_more_for_more_deliveries(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    first = place(api, agent)
    work()
    with CaptureQueriesContext(connection) as one:
        operator.read(f"calls/call/{first.id}/change/")
    for _ in range(3):
        subscribe(agent.account, url=receiver.url, events=["call.started", "call.completed"])
    second = place(api, agent)
    work()
    with CaptureQueriesContext(connection) as many:
        page = operator.read(f"calls/call/{second.id}/change/")

    assert page.count("Attempt 1") == 7
    assert len(many) == len(one) <= 9
