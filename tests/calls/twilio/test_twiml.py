"""What Twilio is told to do with an answered call, as an XML parser reads it."""

from typing import Any
from xml.etree import ElementTree

import pytest

from agents.models import Agent
from calls.models import Call
from tests.calls.twilio.conftest import Place, Work, outcome
from tests.calls.twilio.standin import TOKEN, Row, StandIn


@pytest.fixture
def twiml(agent: Agent, place: Place) -> Any:
    """Dial for an agent that was changed so; the document's root."""

    def twiml(*, params: dict[str, Any] | None = None, **fields: Any) -> ElementTree.Element:
        Agent.objects.filter(id=agent.id).update(**fields)
        return ElementTree.fromstring(place(params=params or {})["Twiml"])

    return twiml


def parameters(element: ElementTree.Element) -> dict[str, str]:
    names = [(one.attrib["name"], one.attrib["value"]) for one in element.iter("Parameter")]
    assert len(names) == len(dict(names))
    return dict(names)


def test_without_a_voice_engine_the_greeting_is_read(twiml: Any) -> None:
    root = twiml(greeting="Guten Tag", language="de-DE", voice="Polly.Vicki")
    assert [one.tag for one in root] == ["Say", "Hangup"]
    assert root[0].attrib == {"language": "de-DE", "voice": "Polly.Vicki"}
    assert root[0].text == "Guten Tag"


def test_with_nothing_to_say_it_hangs_up(twiml: Any) -> None:
    assert [one.tag for one in twiml(greeting="")] == ["Hangup"]


def test_a_voice_engine_is_connected_and_told_everything(twiml: Any, agent: Agent) -> None:
    root = twiml(
        voice_url="wss://voice.example.org/calls?a=1&b=2",
        prompt='Ask {{name}} about <the> order & "more"',
        greeting="Hi\n{{name}}",
        params={"name": "Ada ]]> & <b>", "callId": "mine", "order": {"id": 7}, "count": 3},
    )
    assert [one.tag for one in root] == ["Connect"]
    assert [(one.tag, one.attrib) for one in root[0]] == [
        ("Stream", {"url": "wss://voice.example.org/calls?a=1&b=2"})
    ]
    assert parameters(root) == {
        "callId": Call.objects.get().native_id,
        "agentId": agent.native_id,
        "prompt": 'Ask Ada ]]> & <b> about <the> order & "more"',
        "greeting": "Hi\nAda ]]> & <b>",
        "params.name": "Ada ]]> & <b>",
        "params.callId": "mine",
        "params.order": '{"id": 7}',
        "params.count": "3",
    }


def test_a_relay_speaks_by_itself(twiml: Any) -> None:
    root = twiml(
        voice_url="relay+wss://voice.example.org/relay",
        greeting="Hi {{name}}",
        language="en-GB",
        params={"name": "Ada"},
    )
    assert [one.tag for one in root] == ["Connect"]
    assert [(one.tag, one.attrib) for one in root[0]] == [
        (
            "ConversationRelay",
            {
                "url": "wss://voice.example.org/relay",
                "welcomeGreeting": "Hi Ada",
                "language": "en-GB",
            },
        )
    ]
    assert parameters(root)["params.name"] == "Ada"


def test_what_xml_cannot_say_is_left_out(twiml: Any) -> None:
    root = twiml(
        voice_url="wss://voice.example.org/",
        prompt="a\x01b\x0bc\ufffed\U0001f600",
        params={"\x1bname": "x\x02y"},
    )
    assert parameters(root)["prompt"] == "abcd\U0001f600"
    assert parameters(root)["params.name"] == "xy"


def test_what_is_too_long_for_one_parameter_comes_in_parts(twiml: Any) -> None:
    prompt = "Zwölf Boxkämpfer 😀 " * 60
    root = twiml(voice_url="wss://voice.example.org/", prompt=prompt, params={"n" * 600: "lost"})
    told = parameters(root)
    parts = [told["prompt"], *(told[f"prompt#{number}"] for number in (2, 3))]
    assert "".join(parts) == prompt
    assert not [name for name in told if name.startswith("params.")]
    assert all(len((name + value).encode()) < 500 for name, value in told.items())


@pytest.fixture
def long(agent: Agent, place: Place) -> Row:
    """A call whose document is longer than Twilio takes with the order."""
    Agent.objects.filter(id=agent.id).update(
        voice_url="wss://voice.example.org/", prompt="Be kind. " * 2_000
    )
    return place(params={"name": "Ada"})


@pytest.mark.usefixtures("listening")
def test_a_long_document_is_fetched_from_us(twilio: StandIn, long: Row) -> None:
    assert "Twiml" not in long.form
    assert long["Url"] == long["StatusCallback"].replace("/status", "/twiml")
    form = twilio.said(long, CallStatus="in-progress")
    answer = twilio.request(long, long["Url"], form)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml")
    told = parameters(ElementTree.fromstring(answer.content))
    prompt = [value for name, value in told.items() if name.split("#")[0] == "prompt"]
    assert "".join(prompt) == "Be kind. " * 2_000
    assert told["params.name"] == "Ada"
    # Twilio fetches it when somebody answers.
    assert outcome() == ("in_progress", "")


@pytest.mark.usefixtures("listening")
def test_a_document_is_for_twilio_only(twilio: StandIn, long: Row) -> None:
    form = twilio.said(long, CallStatus="in-progress")
    elsewhere = twilio.sign(long["StatusCallback"], form, token=TOKEN)
    for signature in (None, "", elsewhere):
        answer = twilio.send(long["Url"], form, signature=signature)
        assert answer.status_code == 401
        assert b"Be kind" not in answer.content
    assert outcome() == ("dialing", "")


def test_one_that_twilio_could_not_fetch_rings_nobody(
    twilio: StandIn, agent: Agent, send: Any, work: Work
) -> None:
    Agent.objects.filter(id=agent.id).update(
        voice_url="wss://voice.example.org/", prompt="x" * 64_000
    )
    send()
    work()
    assert outcome() == ("failed", "instructions_too_long")
    assert twilio.asked == []


@pytest.mark.usefixtures("listening")
def test_a_long_greeting_is_said_in_parts(twilio: StandIn, agent: Agent, place: Place) -> None:
    Agent.objects.filter(id=agent.id).update(greeting="Nice words. " * 800)
    row = place()
    answer = twilio.request(row, row["Url"], twilio.said(row, CallStatus="in-progress"))
    said = [one.text or "" for one in ElementTree.fromstring(answer.content).iter("Say")]
    assert " ".join(said) == ("Nice words. " * 800).strip()
    assert all(len(text) <= 4_000 for text in said)
