"""Status reports of a voice engine: genuine ones move a call forward, others change nothing."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import Account, Agent, LedgerEntry
from calls.models import Call, CallEvent, CarrierCredentials, Dial
from tests.calls.dialer.engine import SECRET, Engine, an_engine, report
from tests.factories import NUMBER, Api, make_agent, make_key
from tests.receiver import Receiver
from webhooks.models import Event
from webhooks.services import subscribe, subscribe_zap

Work = Callable[..., None]

OTHER_SECRET = "whsec_" + "b" * 32


@pytest.fixture
def engine() -> Iterator[Engine]:
    with an_engine() as engine:
        yield engine


@pytest.fixture
def dialer(account: Account, engine: Engine) -> Agent:
    return dialer_of(account, engine=engine)


@pytest.fixture
def order(api: Api, dialer: Agent, engine: Engine, work: Work) -> Any:
    return ordered(api, dialer, engine=engine, work=work)


def dialer_of(account: Account, *, engine: Engine, secret: str = SECRET) -> Agent:
    row = CarrierCredentials(account=account, carrier="dialer")
    row.keep({"url": engine.url, "secret": secret})
    row.save()
    return make_agent(account, carrier="dialer")


def ordered(api: Api, agent: Agent, *, engine: Engine, work: Work) -> Any:
    """A call, dialled; the order that the engine got."""
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work(for_=timedelta(seconds=0.5))
    return engine.orders[-1].json


def said(order: Any, status: str, *, seconds: float = 0, **more: Any) -> dict[str, Any]:
    """A report about the order, of so many seconds after now."""
    at = (timezone.now() + timedelta(seconds=seconds)).isoformat()
    return {"token": order["token"], "status": status, "at": at, **more}


def told() -> list[str]:
    return list(Event.objects.order_by("created_at", "id").values_list("type", flat=True))


def rows() -> list[Any]:
    """All that a report could change."""
    models = (Call, Dial, CallEvent, Event, LedgerEntry, Account)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_a_call_from_ring_to_end(order: Any, api: Api, clock: time_machine.Traveller) -> None:
    for status, seconds in (("ringing", 1), ("answered", 2), ("completed", 61)):
        clock.shift(timedelta(seconds=seconds))
        answer = report(order, said(order, status))
        assert (answer.status_code, answer.content) == (200, b"")

    seen = api.get(f"/api/v1/calls/{order['call_id']}").json()
    assert (seen["status"], seen["reason"], seen["duration"]) == ("completed", None, 61)
    assert seen["cost"] == "2"
    assert told() == ["call.started", "call.completed"]


@pytest.mark.parametrize("status", ["voicemail", "busy", "no_answer", "failed", "canceled"])
def test_the_other_ends(order: Any, status: str) -> None:
    report(order, said(order, status))

    call = Call.objects.get()
    assert call.status == status
    assert call.reason == ("carrier_failed" if status == "failed" else "")


@pytest.mark.parametrize(
    ("reason", "kept"), [("rejected", "rejected"), ("out of paper", "carrier_failed")]
)
def test_only_known_reasons_are_kept(order: Any, reason: str, kept: str) -> None:
    report(order, said(order, "failed", reason=reason))

    assert Call.objects.get().reason == kept


def test_results_come_with_the_end(
    api: Api, dialer: Agent, engine: Engine, receiver: Receiver, work: Work
) -> None:
    subscribe(dialer.account, url=receiver.url, events=["call.completed"])
    subscribe_zap(dialer, url=receiver.url)
    order = ordered(api, dialer, engine=engine, work=work)
    results = {
        "transcript": "Agent: Hi\nCallee: Ça va \U0001f600",
        "summary": "They are well.",
        "recording_url": "https://voice.example.org/7.mp3",
    }

    report(order, said(order, "answered", seconds=1))
    report(order, said(order, "completed", seconds=9, **results))
    work(for_=timedelta(seconds=1))

    zapier, native = sorted((one.json for one in receiver.requests), key=lambda one: "event" in one)
    named = {"recordingUrl": results["recording_url"]}
    shown = {name: results[name] for name in ("transcript", "summary")} | named
    assert shown.items() <= native["data"].items()
    assert results.items() <= zapier.items()
    assert shown.items() <= api.get(f"/api/v1/calls/{order['call_id']}").json().items()
    (listed,) = api.get("/api/v1/calls").json()["results"]
    assert not shown.keys() & listed.keys()
    (sample,) = api.get("/api/zapier/samples/call-disposition").json()
    assert sample == zapier


def test_results_may_come_before_and_after_the_end(order: Any) -> None:
    report(order, said(order, "answered", summary="first"))
    report(order, said(order, "completed", transcript="Hi"))
    moved = Call.objects.get()
    report(order, said(order, "completed", summary="second", transcript=None))

    call = Call.objects.get()
    assert (call.transcript, call.summary) == ("Hi", "second")
    assert (call.status, call.ended_at, call.cost) == (moved.status, moved.ended_at, moved.cost)
    assert told() == ["call.started", "call.completed"]


def test_what_no_database_keeps_is_left_out(order: Any) -> None:
    texts: dict[str, Any] = {"transcript": "a\0b\ud800c\U0001f600", "summary": "\udfff"}

    assert report(order, said(order, "completed", **texts)).status_code == 200
    call = Call.objects.get()
    assert (call.transcript, call.summary) == ("ab?c\U0001f600", "?")


def test_long_texts_are_cut(order: Any, api: Api) -> None:
    lengths = {"transcript": 200_000, "summary": 10_000}
    texts: dict[str, Any] = {name: "x" * (length + 1) for name, length in lengths.items()}

    assert report(order, said(order, "completed", **texts)).status_code == 200
    seen = api.get(f"/api/v1/calls/{order['call_id']}").json()
    assert {name: len(seen[name]) for name in lengths} == lengths
    event = json.loads(Event.objects.latest("created_at", "id").body)
    assert len(event["data"]["transcript"]) == 200_000


def test_reports_twice_and_in_reverse_come_to_one_end(
    order: Any, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(seconds=30))
    stages = [("ringing", -29), ("answered", -27), ("completed", -20)]
    answered_at = (timezone.now() - timedelta(seconds=27)).isoformat()
    for status, seconds in [*reversed(stages), *stages, *stages]:
        more = {"answered_at": answered_at} if status == "completed" else {}
        answer = report(order, said(order, status, seconds=seconds, **more))
        assert answer.status_code == 200

    call = Call.objects.get()
    assert (call.status, call.duration) == ("completed", 7)
    assert told() == ["call.started", "call.completed"]
    assert LedgerEntry.objects.filter(kind="charge").count() == 1


@pytest.mark.parametrize("late", ["ringing", "answered", "busy", "failed", "completed"])
def test_the_end_is_the_end(order: Any, late: str) -> None:
    report(order, said(order, "voicemail"))
    before = rows()

    assert report(order, said(order, late, seconds=60)).status_code == 200
    assert rows() == before


def test_a_report_proves_that_a_lost_order_was_taken(
    api: Api, dialer: Agent, engine: Engine, work: Work
) -> None:
    took = engine.on_order
    engine.on_order = lambda asked: type(took(asked))(is_cut=True)
    order = ordered(api, dialer, engine=engine, work=work)
    report(order, said(order, "ringing", id="e-7"))
    assert Dial.objects.get().carrier_id == "e-7"

    # It has no page to ask, and yet it is known to have it: so it is hung up when it is overdue.
    work()
    call = Call.objects.get()
    assert (call.status, call.reason) == ("no_answer", "ring_timeout")
    assert len(engine.of("DELETE")) == 1
    assert len(engine.orders) == 1


# Forgeries ----------------------------------------------------------------------------------------


def unsigned(order: Any) -> Any:
    return report(order, said(order, "completed"), webhook_signature="")


def without_headers(order: Any) -> Any:
    path = order["status_url"].split("8000", 1)[1]
    return Client().post(path, said(order, "completed"), content_type="application/json")


def wrongly_signed(order: Any) -> Any:
    return report(order, said(order, "completed"), webhook_signature="v1,é= v2,x v1a,y")


def signed_by_another(order: Any) -> Any:
    return report(order, said(order, "completed"), secret=OTHER_SECRET)


def signed_for_another_time(order: Any) -> Any:
    stamp = str(int(datetime.now(UTC).timestamp()) - 60)
    return report(order, said(order, "completed"), webhook_timestamp=stamp)


def signed_too_long_ago(order: Any) -> Any:
    at = datetime.now(UTC) - timedelta(seconds=310)
    return report(order, said(order, "completed"), signed_at=at)


def signed_in_the_future(order: Any) -> Any:
    at = datetime.now(UTC) + timedelta(seconds=310)
    return report(order, said(order, "completed"), signed_at=at)


def signed_at_no_time(order: Any) -> Any:
    return report(order, said(order, "completed"), webhook_timestamp="²")


def under_another_id(order: Any) -> Any:
    return report(order, said(order, "completed"), webhook_id="another")


def with_a_wrong_token(order: Any) -> Any:
    return report(order, {**said(order, "completed"), "token": "0" * 64})


def without_a_token(order: Any) -> Any:
    return report(order, {**said(order, "completed"), "token": None})


def with_a_strange_token(order: Any) -> Any:
    return report(order, {**said(order, "completed"), "token": "é\ud800"})


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        without_headers,
        wrongly_signed,
        signed_by_another,
        signed_for_another_time,
        signed_too_long_ago,
        signed_in_the_future,
        signed_at_no_time,
        under_another_id,
        with_a_wrong_token,
        without_a_token,
        with_a_strange_token,
    ],
)
def test_a_forged_report_changes_nothing(order: Any, forge: Callable[[Any], Any]) -> None:
    before = rows()
    answer = forge(order)

    assert answer.status_code == 401
    assert answer["Content-Type"].startswith("text/plain")
    assert rows() == before


@pytest.mark.parametrize("seconds", [-290, 290])
def test_clocks_may_differ_by_less_than_five_minutes(order: Any, seconds: int) -> None:
    at = datetime.now(UTC) + timedelta(seconds=seconds)

    assert report(order, said(order, "ringing"), signed_at=at).status_code == 200


def test_a_report_signed_with_two_secrets_is_genuine(order: Any) -> None:
    # As during a rotation: Standard Webhooks puts one signature after the other.
    body = said(order, "ringing")
    right = report(order, body, id="r").wsgi_request.headers["webhook-signature"]
    assert report(order, body, id="r", webhook_signature=f"v1,AAAA {right}").status_code == 200


def test_a_report_speaks_of_its_own_dial_only(
    api: Api, dialer: Agent, engine: Engine, work: Work
) -> None:
    first, second = (ordered(api, dialer, engine=engine, work=work) for _ in range(2))
    before = rows()

    answer = report(first, said(first, "completed"), to=second["status_url"].split("8000", 1)[1])

    assert answer.status_code == 401
    assert rows() == before


def test_an_account_cannot_speak_of_anothers_calls(
    order: Any, stranger: Account, engine: Engine, work: Work
) -> None:
    agent = dialer_of(stranger, engine=engine, secret=OTHER_SECRET)
    theirs = ordered(Api(make_key(stranger)), agent, engine=engine, work=work)
    before = rows()

    assert report(order, said(theirs, "completed"), secret=OTHER_SECRET).status_code == 401
    assert report(order, said(order, "completed"), secret=OTHER_SECRET).status_code == 401
    assert report(theirs, said(theirs, "completed")).status_code == 401
    assert rows() == before
    assert report(theirs, said(theirs, "ringing"), secret=OTHER_SECRET).status_code == 200


def test_reports_of_another_carriers_calls_are_not_taken(
    api: Api, agent: Agent, work: Work
) -> None:
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work(for_=timedelta(seconds=0.3))
    dial = Dial.objects.get()

    for carrier, status in (("dialer", 404), ("simulated", 401)):
        path = f"/carriers/{carrier}/dials/{dial.id}/status"
        assert Client().post(path, {}, content_type="application/json").status_code == status


# Nonsense -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": "asleep"}, "status must be one of dialing, ringing, answered"),
        ({"status": None}, "status must be one of"),
        ({"status": ["completed"]}, "status must be one of"),
        ({"at": None}, "at must be a time"),
        ({"at": 7}, "at must be a time"),
        ({"at": "yesterday"}, "at must be a time"),
        ({"at": "2026-11-22"}, "at must be a time"),
        ({"at": "2026-11-22T09:30:00"}, "at must be a time"),
        ({"at": "2026-13-22T09:30:00Z"}, "at must be a time"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at lies before the order or in the future"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at lies before the order or in the future"),
        ({"answered_at": "9999-12-31T23:59:59Z"}, "answered_at lies before"),
        ({"answered_at": {}}, "answered_at must be a time"),
        ({"reason": 7}, "reason must be a string"),
        ({"transcript": ["Hi"]}, "transcript must be a string"),
        ({"summary": {"a": 1}}, "summary must be a string"),
        ({"recording_url": 7}, "recording_url must be a string"),
        ({"recording_url": "javascript:alert(1)"}, "recording_url must be an http or https URL"),
        ({"recording_url": "https://" + "x" * 1993}, "of at most 2,000 characters"),
    ],
)
def test_a_report_that_cannot_be_read(order: Any, change: dict[str, Any], complaint: str) -> None:
    before = rows()
    answer = report(order, {**said(order, "completed"), **change})

    assert answer.status_code == 400
    assert complaint in answer.content.decode()
    assert rows() == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'"text"', b'"\\ud800', b"[" * 100_000, b"null"]
)
def test_a_body_that_is_no_object(order: Any, body: bytes) -> None:
    before = rows()
    answer = report(order, body)

    assert (answer.status_code, answer.content) == (400, b"The body must be a JSON object")
    assert rows() == before


def test_a_body_of_a_mebibyte_is_taken_and_one_beyond_is_not(order: Any) -> None:
    body = json.dumps(said(order, "ringing")).encode()

    assert report(order, body + b" " * (1024 * 1024 - len(body))).status_code == 200
    answer = report(order, body + b" " * (1024 * 1024 - len(body) + 1))
    assert (answer.status_code, answer.content) == (400, b"It is larger than 1 MiB")


def test_reports_are_posted_to_the_status_url(order: Any) -> None:
    address = order["status_url"].split("8000", 1)[1]
    body = said(order, "completed")
    before = rows()

    assert report(order, body, to=address.removesuffix("/status")).status_code == 400
    assert report(order, body, to=address.replace("/status", "/other")).status_code == 400
    assert Client().get(address).status_code == 400
    assert rows() == before


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is asked step by step")
def test_a_report_takes_few_statements(
    order: Any, account: Account, django_assert_num_queries: Any
) -> None:
    """FIND, credentials, FIND under lock, whom to tell, the event, the step; at the end the bill.
    What is around it is the savepoint, in place of a transaction, that this test runs in."""
    subscribe(account, url="https://example.org/hook", events=["call.started", "call.completed"])
    report(order, said(order, "ringing"))
    with django_assert_num_queries(8):
        report(order, said(order, "answered"))
    with django_assert_num_queries(9):
        report(order, said(order, "completed"))
