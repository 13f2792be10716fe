"""The operators' pages about text messages."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Account, Agent
from calls.explanations import MESSAGE_REASONS
from calls.models import Message
from tests.factories import NUMBER, Api, make_account, make_agent, make_key
from tests.operator import Operator
from tests.receiver import Receiver, Reply
from webhooks.models import Event
from webhooks.services import subscribe

Work = Callable[..., None]


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def send(api: Api, agent: Agent, *, number: str = NUMBER, **fields: object) -> Message:
    order = {"agentId": agent.native_id, "toNumber": number, "message": "Hello", **fields}
    answer = api.post("/api/v1/sms/send", order)
    assert answer.status_code == 201, answer.content
    return Message.objects.latest("created_at", "id")


def test_message_page_tells_its_story(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda request: Reply(status=500)
    subscribe(agent.account, url=receiver.url, events=["sms.delivered"])
    message = send(api, agent, message="Hi {{name}}{{gone}}", params={"name": "Ada <b>"})
    work(for_=timedelta(seconds=30))

    page = operator.read(f"calls/message/{message.id}/change/")

    assert "Delivered" in page
    assert "Hi Ada &lt;b&gt;" in page
    assert "Not given, so left empty: gone" in page
    assert receiver.url in page
    assert "Attempt 1" in page
    assert "The server answered with an error" in page
    assert message.native_id in page
    assert "0.5" in page


def test_message_page_shows_the_segments(operator: Operator, api: Api, agent: Agent) -> None:
    message = send(api, agent, message="ł" * 67 + "and so on")

    page = operator.read(f"calls/message/{message.id}/change/")

    assert "Segment 2" in page
    assert "Encoded as UCS-2" in page
    assert "It waits for a worker." in page
    assert "Nothing has been told yet." in page


def test_message_page_explains_in_plain_words(
    operator: Operator, api: Api, agent: Agent, work: Work
) -> None:
    message = send(api, agent, number="+14155550104")
    work()

    page = operator.read(f"calls/message/{message.id}/change/").replace("&#x27;", "'")

    assert MESSAGE_REASONS["rejected"] in page


def test_list_is_searched_by_number_and_by_either_id(
    operator: Operator, api: Api, agent: Agent
) -> None:
    mine = send(api, agent, message="The one that is looked for")
    send(api, agent, number="+14155550199", message="Another one")

    for term in (NUMBER, "+1 415 555 0123", mine.native_id, str(mine.id)):
        page = operator.read("calls/message/", q=term)
        assert "The one that is looked for" in page, term
        assert "Another one" not in page, term
    assert "The one that" not in operator.read("calls/message/", q="nonsense")


def test_list_is_filtered_by_account(operator: Operator, api: Api, agent: Agent) -> None:
    send(api, agent, message="From the clinic")
    other = make_account(name="Other")
    send(Api(make_key(other)), make_agent(other), message="From somebody else")

    page = operator.read("calls/message/", account__id__exact=str(other.id))

    assert "From somebody else" in page
    assert "From the clinic" not in page


def test_list_takes_the_same_queries_however_long_it_is(
    operator: Operator, api: Api, account: Account, agent: Agent
) -> None:
    send(api, agent)
    with CaptureQueriesContext(connection) as few:
        operator.read("calls/message/")
    for _ in range(10):
        send(api, make_agent(account))
    with CaptureQueriesContext(connection) as many:
        operator.read("calls/message/")
    assert len(many) == len(few)


def test_nothing_can_be_changed(operator: Operator, api: Api, agent: Agent) -> None:
    message = send(api, agent)
    assert operator.get("calls/message/add/").status_code == 403
    assert operator.post(f"calls/message/{message.id}/change/", status="sent").status_code == 403
    assert operator.get(f"calls/message/{message.id}/delete/").status_code == 403


def test_event_leads_to_its_message(operator: Operator, api: Api, agent: Agent, work: Work) -> None:
    message = send(api, agent)
    work()
    event = Event.objects.first()
    assert event
    page = operator.read(f"webhooks/event/{event.id}/change/")
    assert f"/admin/calls/message/{message.native_id.replace('_', '_5F')}/change/" in page
    assert operator.get(f"calls/message/{message.native_id}/change/").status_code == 200


def test_sidebar_leads_to_the_list(operator: Operator) -> None:
    assert "/admin/calls/message/" in operator.read("calls/call/")
