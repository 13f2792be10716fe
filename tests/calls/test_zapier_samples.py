"""`GET /api/zapier/samples/call-disposition`."""

from collections.abc import Callable

from agents.models import Account, Agent
from calls.models import Call
from tests.factories import Api, make_agent
from tests.receiver import Receiver
from webhooks.services import subscribe_zap

URL = "/api/zapier/samples/call-disposition"
ACTION = "/api/zapier/actions/outbound-call"


def place(api: Api, agent: Agent, number: str) -> None:
    assert api.post(ACTION, {"agent_id": str(agent.id), "to_number": number}).status_code == 200


def test_made_up_where_no_call_has_ended(api: Api, agent: Agent) -> None:
    place(api, agent, "+14155550123")
    answer = api.get(URL)
    assert answer.status_code == 200
    assert answer.json() == [
        {
            "id": "00000000-0000-0000-0000-000000000001",
            "call_id": "00000000-0000-0000-0000-000000000002",
            "agent_id": "00000000-0000-0000-0000-000000000003",
            "campaign_id": None,
            "status": "completed",
            "reason": None,
            "duration": 125,
            "to_number": "+14155550123",
            "from_number": "+14155550100",
            "params": {"customer_name": "John", "city": "Bengaluru"},
            "started_at": "2025-01-01T00:00:00Z",
            "ended_at": "2025-01-01T00:02:05Z",
            "transcript": None,
            "summary": None,
            "recording_url": None,
        }
    ]


def test_they_are_what_was_delivered(
    api: Api, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    subscribe_zap(agent, url=receiver.url)
    for number in ("+14155550101", "+14155550103"):
        place(api, agent, number)
        work()
    delivered = [request.json for request in receiver.requests]
    assert api.get(URL).json() == delivered[::-1]


def test_the_made_up_one_has_a_live_deliverys_keys(
    api: Api, stranger_api: Api, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    subscribe_zap(agent, url=receiver.url)
    place(api, agent, "+14155550123")
    work()
    made_up = stranger_api.get(URL).json()[0]
    assert made_up.keys() == receiver.requests[0].json.keys()


def test_the_newest_three_without_a_subscription(
    api: Api, test_api: Api, agent: Agent, work: Callable[..., None]
) -> None:
    for last in range(4):
        place(test_api, agent, f"+1415555012{last}")
    work()
    place(api, agent, "+14155550129")
    listed = api.get(URL).json()
    assert [one["to_number"][-4:] for one in listed] == ["0123", "0122", "0121"]
    assert len({one["id"] for one in listed}) == 3


def test_another_accounts_calls_are_not_there(
    api: Api,
    account: Account,
    stranger: Account,
    stranger_api: Api,
    work: Callable[..., None],
) -> None:
    place(stranger_api, make_agent(stranger), "+14155550123")
    work()
    theirs = Call.objects.get()
    assert theirs.is_terminal
    assert str(theirs.id) not in api.get(URL).content.decode()
    assert str(theirs.id) in stranger_api.get(URL).content.decode()
