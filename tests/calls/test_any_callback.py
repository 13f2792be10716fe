"""Callbacks of any content: what is not the carrier's changes nothing, what is does no harm."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from django.conf import settings as product
from django.test import Client
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from agents.models import Account, LedgerEntry
from calls import begun, message_lifecycle
from calls.carriers.dialer.reports import CALL_WORDS, MESSAGE_WORDS
from calls.carriers.dialer.signing import token_of
from calls.carriers.twilio.statuses import MESSAGE_STATUSES, STATUSES
from calls.models import Call, CallEvent, Dial, Message
from tests.calls.dialer.engine import SECRET
from tests.calls.twilio.standin import SID, TOKEN
from tests.factories import NUMBER, Api, make_account, make_agent, make_key
from tests.properties import ANY_JSON, tried, undone
from webhooks.models import Event

One = TypeVar("One")

KINDS = ("dials", "messages")
CREDITS = 100
# How far along each status is. What is furthest is final.
CALL_ORDER = {"dialing": 1, "ringing": 2, "in_progress": 3}
MESSAGE_ORDER = {"sending": 1, "sent": 2}
END = 4
# What a voice engine may add to a call that has ended.
RESULTS = ("transcript", "summary", "recording_url")


@pytest.fixture(autouse=True)
def _carriers(settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
    settings.DIALER_URL, settings.DIALER_SECRET = "https://voice.example.org/calls", SECRET


@pytest.fixture
def account(db: None) -> Account:
    return make_account(credits=str(CREDITS))


@pytest.fixture
def api(account: Account) -> Api:
    return Api(make_key(account, requests_per_minute=1_000_000))


@dataclass(frozen=True)
class Sent:
    """A call or message that its carrier was given."""

    carrier: str
    kind: str
    row: Dial | Message

    def path(self, topic: str) -> str:
        return f"/carriers/{self.carrier}/{self.kind}/{self.row.id}{topic and '/' + topic}"

    def state(self) -> dict[str, Any]:
        """The columns of the call or message itself."""
        model = Call if self.kind == "dials" else Message
        return dict(model._default_manager.values().get())


@contextmanager
def sent(api: Api, account: Account, *, carrier: str, kind: str, carrier_id: str) -> Iterator[Sent]:
    """For one example."""
    with undone():
        yield _sent(api, account, carrier=carrier, kind=kind, carrier_id=carrier_id)


def _sent(api: Api, account: Account, *, carrier: str, kind: str, carrier_id: str) -> Sent:
    agent = make_agent(account, carrier=carrier, greeting="Hello", max_duration=60)
    order: dict[str, Any] = {"agentId": agent.native_id, "toNumber": NUMBER}
    row: Dial | Message
    if kind == "dials":
        assert api.post("/api/v1/calls/send", order).status_code == 201
        calls = begun.take_waiting([Call.objects.get().id])
        (row,) = begun.begin_dials(calls, lease=timedelta(seconds=30), now=timezone.now())
    else:
        assert api.post("/api/v1/sms/send", {**order, "message": "Hello"}).status_code == 201
        row = Message.objects.get()
        message_lifecycle.begin_ask(row, now=timezone.now())
    row.carrier_id = carrier_id
    row.save()
    return Sent(carrier, kind, row)


def rows() -> list[Any]:
    """All that a callback could change."""
    models = (Call, Dial, CallEvent, Message, Event, LedgerEntry, Account)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


# What carriers might send


def mostly(likely: st.SearchStrategy[One], odd: st.SearchStrategy[One]) -> st.SearchStrategy[One]:
    return st.integers(0, 4).flatmap(lambda one: likely if one < 4 else odd)


CA = "CA" + "b" * 32
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.one_of(
    st.integers(-5, 100).map(str),
    st.integers().map(str),
    st.sampled_from(["9" * 12, "9" * 30, "9" * 5_000, "-" + "9" * 30, "1e9", "٣", " 7 ", "1_0"]),
)
moments = st.integers(-200, 200).map(lambda ago: timezone.now() - timedelta(seconds=ago))
odd_moments = st.sampled_from(
    [
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Thu, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Thu, 01 Jan 2026 00:00:00 -0000",
        "Thu, 01 Jan 99999999999 00:00:00 +0000",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01",
    ]
)
types = st.sampled_from(
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/json",
        "application/json; charset=utf-16",
        "multipart/form-data",
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=b; charset=utf-16",
        "text/plain; charset=nonsense",
        "",
    ]
)
queries = st.sampled_from(["", "", "", "", "?a=b", "?%00=%ff&CallStatus=completed"])
topics = st.sampled_from(["status"] * 8 + ["amd", "twiml", "", "other"])
carrier_ids = st.sampled_from(["", CA])

Fields = list[tuple[str, str | bytes]]


@st.composite
def twilio_forms(draw: st.DrawFn, kind: str) -> Fields:
    sid = "CallSid" if kind == "dials" else "MessageSid"
    likely: dict[str, st.SearchStrategy[str]] = {
        "AccountSid": st.just(SID),
        sid: mostly(st.just(CA), texts | st.just("x" * 101)),
        "CallStatus": st.sampled_from([*STATUSES, "dreaming"]),
        "MessageStatus": st.sampled_from([*MESSAGE_STATUSES, "dreaming"]),
    }
    more = {
        "Timestamp": moments.map(format_datetime) | odd_moments,
        "CallDuration": numbers,
        "SipResponseCode": st.sampled_from(["404", "486", "603"]) | numbers,
        "ErrorCode": st.sampled_from(["13224", "30003"]) | numbers,
        "AnsweredBy": st.sampled_from(["human", "machine_start", "fax", "unknown"]),
        "MachineDetectionDuration": numbers,
    }
    form = draw(st.fixed_dictionaries(likely, optional=more))
    fields: Fields = list(form.items())
    odd = st.tuples(st.sampled_from([*likely, *more]) | texts, texts | st.binary(max_size=8))
    fields += draw(mostly(st.just([]), st.lists(odd, max_size=2)))
    return fields


@st.composite
def engine_reports(draw: st.DrawFn, kind: str, token: str) -> bytes:
    words = st.sampled_from([*(CALL_WORDS if kind == "dials" else MESSAGE_WORDS)])
    right = moments.map(lambda at: at.isoformat())
    times = mostly(right, odd_moments | ANY_JSON)
    likely = {"token": st.just(token), "status": mostly(words, ANY_JSON), "at": times}
    text = st.text(st.characters(), max_size=20) | st.just("x" * 3_000)
    names = ("reason", "transcript", "summary", "recording_url", "id", "other")
    more = dict.fromkeys(names, mostly(text, ANY_JSON)) | {"answered_at": times}
    more["recording_url"] = st.just("https://voice.example.org/\0\ud800") | text
    said = draw(mostly(st.fixed_dictionaries(likely, optional=more), ANY_JSON))
    body = json.dumps(said).encode(draw(st.sampled_from(["utf-8", "utf-16", "utf-8-sig"])))
    return draw(mostly(st.just(body), st.binary(max_size=40)))


# How they sign


@dataclass(frozen=True)
class Request:
    path: str
    body: bytes
    type: str
    headers: Mapping[str, str]
    method: str = "POST"

    def send(self) -> int:
        """The status of its answer."""
        client = Client(raise_request_exception=False)
        answer = client.generic(
            self.method, self.path, self.body, self.type, headers=dict(self.headers)
        )
        return answer.status_code


def of_twilio(path: str, fields: Fields, *, type: str, token: str = TOKEN) -> Request:
    """By Twilio's own library."""
    read = MultiValueDict[str, str]()
    for name, value in fields:
        read.appendlist(name, value if isinstance(value, str) else value.decode(errors="replace"))
    signature = RequestValidator(token).compute_signature(product.BASE_URL + path, read)
    headers = {"X-Twilio-Signature": str(signature)}
    return Request(path, urlencode(fields).encode(), type, headers)


def of_engine(path: str, body: bytes, *, type: str, secret: str = SECRET) -> Request:
    """As Standard Webhooks says: https://www.standardwebhooks.com."""
    stamp = str(int(timezone.now().timestamp()))
    key = b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"r.{stamp}.".encode() + body, "sha256").digest()
    headers = {
        "webhook-id": "r",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + b64encode(mac).decode(),
    }
    return Request(path, body, type, headers)


def signed_of(sent: Sent, *, secret: str | None = None) -> st.SearchStrategy[Request]:
    """Any callback about it; signed right, unless with another `secret`."""
    of: Callable[..., Request]
    if sent.carrier == "twilio":
        of, about = of_twilio, twilio_forms(sent.kind)
        key = {"token": secret or TOKEN}
    else:
        of, about = of_engine, engine_reports(sent.kind, token_of(sent.row.id))  # type: ignore[assignment]
        key = {"secret": secret or SECRET}
    paths = st.builds(lambda topic, query: sent.path(topic) + query, topics, queries)
    of_type = mostly(st.just("application/x-www-form-urlencoded"), types)
    return st.builds(
        lambda path, said, type: of(path, said, type=type, **key), paths, about, of_type
    )


# What holds


def assert_forward(sent: Sent, seen: Sequence[dict[str, Any]]) -> None:
    order = CALL_ORDER if sent.kind == "dials" else MESSAGE_ORDER
    ranks = [order.get(one["status"], END) for one in seen]
    assert ranks == sorted(ranks)
    ends = [
        {name: value for name, value in one.items() if name not in RESULTS}
        for one, rank in zip(seen, ranks, strict=True)
        if rank == END
    ]
    assert ends[1:] == ends[:-1]


def assert_whole(sent: Sent, api: Api) -> None:
    """Its times, its bill and its events say one thing, and clients can read it."""
    state, order = sent.state(), CALL_ORDER if sent.kind == "dials" else MESSAGE_ORDER
    is_terminal = state["status"] not in order
    began = "started_at" if sent.kind == "dials" else "sent_at"
    assert (state["ended_at"] is not None) == is_terminal
    times = [state[began], state["ended_at"]]
    if sent.kind == "dials":
        # What a carrier's clock says of a message is kept as it is, within five minutes.
        times = [state["created_at"], *times, timezone.now()]
    told = [time for time in times if time]
    assert told == sorted(told)
    account = Account.objects.get()
    assert account.credits is not None
    assert account.credits + account.reserved + (state["cost"] or 0) == CREDITS
    assert account.reserved == state["reserved"]
    events = list(Event.objects.values_list("type", flat=True))
    assert len(events) == len(set(events)) == state["events_published"]
    where = "calls" if sent.kind == "dials" else "sms"
    name = "call" if sent.kind == "dials" else "sms"
    assert api.get(f"/api/v1/{where}/{name}_{state['id'].hex}").status_code == 200


@pytest.mark.parametrize("carrier", ["twilio", "dialer"])
@pytest.mark.parametrize("kind", KINDS)
@tried(15)
@given(carrier_ids, st.data())
def test_whatever_a_carrier_says_it_moves_forward_or_not_at_all(
    api: Api, account: Account, carrier: str, kind: str, carrier_id: str, data: st.DataObject
) -> None:
    with sent(api, account, carrier=carrier, kind=kind, carrier_id=carrier_id) as about:
        seen = [about.state()]
        for request in data.draw(st.lists(signed_of(about), min_size=1, max_size=5)):
            before = rows()
            status = request.send()
            assert status in (200, 400, 401), request
            assert status == 200 or rows() == before
            seen.append(about.state())
        assert_forward(about, seen)
        assert_whole(about, api)


headers = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)
NAMES = ["X-Twilio-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"]
now = st.just("now").map(lambda _: str(int(timezone.now().timestamp())))


@st.composite
def unsigned(draw: st.DrawFn, sent: Sent) -> Request:
    """Anything at all, or what a carrier would send signed by somebody else."""
    if draw(st.booleans()):
        return draw(signed_of(sent, secret="whsec_" + b64encode(b"a guess").decode()))
    given = draw(st.dictionaries(st.sampled_from(NAMES), headers | now, max_size=4))
    method = draw(st.sampled_from(["POST", "POST", "GET", "PUT", "DELETE", "OPTIONS"]))
    path = sent.path(draw(topics)) + draw(queries)
    return Request(path, draw(st.binary(max_size=60)), draw(types), given, method)


@pytest.mark.parametrize("carrier", ["twilio", "dialer"])
@pytest.mark.parametrize("kind", KINDS)
@tried(15)
@given(carrier_ids, st.data())
def test_what_is_not_the_carriers_changes_nothing(
    api: Api, account: Account, carrier: str, kind: str, carrier_id: str, data: st.DataObject
) -> None:
    with sent(api, account, carrier=carrier, kind=kind, carrier_id=carrier_id) as about:
        before = rows()
        request = data.draw(unsigned(about))
        assert request.send() in (400, 401), request
        assert rows() == before
