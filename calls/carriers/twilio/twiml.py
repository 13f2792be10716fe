"""What Twilio does with an answered call, as TwiML: connect it to a voice engine, or read a text.

https://www.twilio.com/docs/voice/twiml
"""

import json
import re
from collections.abc import Iterator
from textwrap import wrap
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

from calls.carriers.base import DialOrder
from core.ids import native_id

# What Twilio takes: of a `Twiml` field, of a document that it fetches, of a <Parameter>'s name and
# value together, and of a text to say.
MAX_INLINE_CHARACTERS = 4_000
MAX_DOCUMENT_BYTES = 64_000
MAX_PARAMETER_BYTES = 499
MAX_SAID_CHARACTERS = 4_000
RELAY = "relay+"
# All that XML 1.0 cannot say (section 2.2).
UNSPEAKABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def twiml(order: DialOrder) -> str:
    """The whole document for the call."""
    response = Element("Response")
    scheme = urlsplit(order.voice_url).scheme
    if scheme in ("ws", "wss"):
        _stream(response, order)
    elif scheme in (f"{RELAY}ws", f"{RELAY}wss"):
        _relay(response, order)
    else:
        _say(response, order)
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(response, encoding="unicode")


def _stream(response: Element, order: DialOrder) -> None:
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=_clean(order.voice_url))
    _add_parameters(stream, order)


def _relay(response: Element, order: DialOrder) -> None:
    spoken = {
        "url": order.voice_url[len(RELAY) :],
        "welcomeGreeting": order.greeting,
        "language": order.language,
        "voice": order.voice,
    }
    told = {name: _clean(value) for name, value in spoken.items() if value}
    relay = SubElement(SubElement(response, "Connect"), "ConversationRelay", told)
    _add_parameters(relay, order)


def _say(response: Element, order: DialOrder) -> None:
    how = {"language": _clean(order.language), "voice": _clean(order.voice)}
    for text in wrap(_clean(order.greeting), MAX_SAID_CHARACTERS):
        say = SubElement(response, "Say", {name: value for name, value in how.items() if value})
        say.text = text
    SubElement(response, "Hangup")


def _add_parameters(parent: Element, order: DialOrder) -> None:
    for name, value in _told(order):
        for part_name, part in _parts(_clean(name), _clean(value)):
            SubElement(parent, "Parameter", name=part_name, value=part)


def _told(order: DialOrder) -> Iterator[tuple[str, str]]:
    yield "callId", native_id("call", order.call_id)
    yield "agentId", native_id("agent", order.agent_id)
    yield "prompt", order.prompt
    yield "greeting", order.greeting
    for name, value in order.params.items():
        # Apart from ours: whoever places a call must not pose as another one.
        yield f"params.{name}", value if isinstance(value, str) else json.dumps(value)


def _parts(name: str, value: str) -> Iterator[tuple[str, str]]:
    """The value whole or, where Twilio would refuse it, as `name`, `name#2`, `name#3` …"""
    number = 1
    while value or number == 1:
        part_name = name if number == 1 else f"{name}#{number}"
        room = MAX_PARAMETER_BYTES - len(part_name.encode())
        if room < 4:
            return  # no room for any one character: a name that cannot be said at all
        part = value.encode()[:room].decode(errors="ignore")
        yield part_name, part
        value = value[len(part) :]
        number += 1


def _clean(text: str) -> str:
    return UNSPEAKABLE.sub("", text)
