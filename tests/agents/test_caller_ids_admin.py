"""The operators' pages about caller ids, and where an agent's calls are connected to."""

import pytest
from django.contrib.admin.models import LogEntry

from agents.models import Account, Agent, CallerId
from tests.agents.test_admin import AGENT
from tests.factories import Api
from tests.operator import Operator

LIST = "agents/callerid/"


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def test_a_number_is_approved_as_e164(operator: Operator, account: Account) -> None:
    operator.post(f"{LIST}add/", account=account.id, number="+44 20 7946 0000")

    approved = CallerId.objects.get()
    assert (approved.account, approved.number) == (account, "+442079460000")
    assert "+442079460000" in operator.read(LIST)
    assert "+442079460000" in operator.read(LIST, q="7946")
    assert "Clinic" in operator.read(f"{LIST}{approved.id}/change/")


@pytest.mark.parametrize("number", ["", "12", "2079460000", "+44 20 7946 0000 ext. 7"])
def test_what_is_no_number_is_refused(operator: Operator, account: Account, number: str) -> None:
    page = operator.post(f"{LIST}add/", account=account.id, number=number)

    assert page.status_code == 200
    assert not CallerId.objects.exists()


def test_the_same_number_twice_is_refused_to_one_account_only(
    operator: Operator, account: Account, stranger: Account
) -> None:
    for owner in (account, account, stranger):
        operator.post(f"{LIST}add/", account=owner.id, number="+442079460000")

    assert CallerId.objects.count() == 2


def test_it_is_removed_after_asking_never_changed(operator: Operator, account: Account) -> None:
    approved = CallerId.objects.create(account=account, number="+442079460000")
    path = f"{LIST}{approved.id}"

    assert operator.post(f"{path}/change/", number="+14155550100").status_code == 403
    assert "Calls already accepted" in operator.read(f"{path}/remove/").replace("&#x27;", "'")
    assert CallerId.objects.exists()

    operator.post(f"{path}/remove/")
    assert not CallerId.objects.exists()
    assert LogEntry.objects.latest("id").get_change_message() == "Removed."


@pytest.mark.parametrize(
    "url",
    [
        "wss://voice.example.org/calls?tenant=7",
        "ws://10.1.0.7:8080/",
        "relay+wss://voice.example.org",
        "https://voice.example.org/twiml",
        "http://127.0.0.1/x",
        "",
    ],
)
def test_an_agent_is_connected_to_a_voice_url(operator: Operator, agent: Agent, url: str) -> None:
    operator.post(f"agents/agent/{agent.id}/change/", **AGENT, voice_url=url)

    agent.refresh_from_db()
    assert (agent.name, agent.voice_url) == ("Sales", url)


@pytest.mark.parametrize(
    "url",
    [
        "voice.example.org",
        "ftp://voice.example.org",
        "javascript:alert(1)",
        "wss://",
        "wss:///calls",
        "wss://voice.example.org:99999",
        "wss://voice example.org/",
        "wss://[::1",
        "wss://" + "x" * 2_000,
    ],
)
def test_what_is_no_voice_url_is_refused(operator: Operator, agent: Agent, url: str) -> None:
    answer = operator.post(f"agents/agent/{agent.id}/change/", **AGENT, voice_url=url)

    assert answer.status_code == 200
    agent.refresh_from_db()
    assert agent.voice_url == ""


def test_the_api_neither_shows_nor_takes_a_voice_url(api: Api, agent: Agent) -> None:
    path = f"/api/v1/agents/{agent.native_id}"
    answer = api.patch(path, {"voiceUrl": "wss://evil/", "voice_url": "wss://evil/", "name": "N"})

    assert answer.status_code == 200
    agent.refresh_from_db()
    assert (agent.name, agent.voice_url) == ("N", "")
    assert "voice" in answer.json()
    assert not any("url" in name.lower() for name in answer.json())
