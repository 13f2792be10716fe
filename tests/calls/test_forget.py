"""`forget`: nothing that is kept says any more whom it was about, and the books still add up."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account, Agent, LedgerEntry
from calls.lifecycle import keep_results
from calls.models import Call, Dial, DoNotCall, Erasure, IdempotencyKey, Message
from calls.reports import Results
from tests.factories import NUMBER, Api
from tests.operator import Operator
from tests.receiver import Received, Receiver, Reply
from webhooks.delivery import deliveries
from webhooks.models import Attempt, Delivery, Event, Subscription
from webhooks.services import subscribe, subscribe_zap

Work = Callable[..., None]

OTHER = "+14155550124"
PERSONAL = "Margarethe"
EVENTS = ["call.started", "call.completed", "call.failed", "sms.sent", "sms.delivered"]


def forget(*args: str) -> str:
    out = StringIO()
    call_command("forget", *args, stdout=out)
    return out.getvalue()


def kept() -> dict[str, str]:
    """All that the database has, by kind of row."""
    return {
        model._meta.label: json.dumps(list(model._default_manager.values()), default=str)
        for model in apps.get_models()
    }


def saying(text: str) -> list[str]:
    return [label for label, rows in kept().items() if text in rows]


@pytest.fixture
def story(api: Api, account: Account, agent: Agent, receiver: Receiver, work: Work) -> str:
    """A call and a message to a person, told to a receiver that says back what it is told."""
    agent.greeting, agent.prompt = "Hello {{name}}", "You speak with {{name}}"
    agent.save()
    receiver.reply = lambda received: Reply(200, body=received.body)
    subscribe(account, url=receiver.url, events=EVENTS)
    subscribe_zap(agent, url=f"{receiver.url}/zap")
    named = {"agentId": agent.native_id, "params": {"name": PERSONAL}}
    call_id = ordered(api, {**named, "metadata": {"patient": PERSONAL}})
    text = {**named, "toNumber": NUMBER, "message": "Dear {{name}}"}
    assert api.post("/api/v1/sms/send", text).status_code == 201
    work()
    said = Results(transcript=PERSONAL, summary=PERSONAL, recording_url=f"https://x/{PERSONAL}")
    keep_results(dial_id=Dial.objects.get().id, results=said)
    DoNotCall.objects.create(account=account, number=NUMBER, note=f"{PERSONAL} asked for it")
    return call_id


def ordered(api: Api, body: dict[str, Any], **headers: str) -> str:
    answer = api.post("/api/v1/calls/send", {"toNumber": NUMBER, **body}, **headers)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["callId"])


def test_nothing_kept_says_whom_it_was_about(story: str) -> None:
    assert set(saying(PERSONAL)) > {"calls.Call", "calls.Message", "webhooks.Event"}

    said = forget(NUMBER, "--by", "olivia")

    assert said == "Erased what 1 calls, 1 messages and 4 events said of the person.\n"
    assert saying(PERSONAL) == []
    # Or they would be called again.
    assert saying(NUMBER) == saying(NUMBER[1:]) == ["calls.DoNotCall"]


def test_no_signature_is_left_to_try_numbers_against(story: str) -> None:
    signed = Attempt.objects.filter(request_headers__has_key="X-Trillet-Signature")
    assert signed.count() == 5
    forget(NUMBER)
    assert not signed.exists()
    assert saying("webhook-signature") == saying("v1,") == []
    assert Attempt.objects.filter(response_status=200).count() == 5


def test_what_happened_stays(story: str, api: Api) -> None:
    def happened() -> list[Any]:
        columns = ["id", "status", "reason", "cost", "created_at", "ended_at"]
        whole: list[Any] = [LedgerEntry, Delivery, Dial]
        found = [list(model.objects.order_by("id").values()) for model in whole]
        outcomes = [model.objects.order_by("id").values(*columns) for model in (Call, Message)]
        return [*found, *map(list, outcomes)]

    before = happened()
    forget(NUMBER)
    assert happened() == before

    seen = api.get(f"/api/v1/calls/{story}").json()
    assert (seen["status"], seen["toNumber"], seen["params"]) == ("completed", "erased", None)
    assert (seen["transcript"], seen["summary"], seen["recordingUrl"]) == (None, None, None)
    message = api.get(f"/api/v1/sms/{Message.objects.get().native_id}").json()
    assert (message["message"], message["toNumber"]) == ("", "erased")


def test_events_keep_their_shape_and_their_outcome(story: str, api: Api) -> None:
    def shapes() -> dict[Any, list[str]]:
        bodies = [json.loads(event.body) for event in Event.objects.all()]
        return {body["id"]: [*body, *body["data"]] for body in bodies}

    before = shapes()
    forget(NUMBER)
    assert shapes() == before

    ended = Event.objects.get(type="call.completed")
    told, zap = json.loads(ended.body)["data"], json.loads(ended.zapier_body)
    assert (told["status"], told["toNumber"], told["params"]) == ("completed", "erased", {})
    assert (zap["status"], zap["to_number"], zap["params"]) == ("completed", "erased", {})
    sample = api.get("/api/zapier/samples/call-disposition").json()[0]
    assert (sample["to_number"], sample["transcript"]) == ("erased", None)


def test_it_is_written_down_who_did_it_and_when(story: str) -> None:
    assert forget(NUMBER, "--when") == ""
    forget(NUMBER, "--by", "olivia")
    done = Erasure.objects.get()
    assert (done.actor, done.calls, done.messages, done.events) == ("olivia", 1, 1, 4)
    assert "by olivia" in forget(NUMBER, "--when")
    assert forget(OTHER, "--when") == ""


def test_it_is_found_after_the_key_of_its_digest_was_replaced(
    story: str, settings: Settings
) -> None:
    forget(NUMBER, "--by", "olivia")
    former = settings.SECRET_KEY

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x" * 50, ["y" * 50, former]
    assert "by olivia" in forget(NUMBER, "--when")
    assert forget(OTHER, "--when") == ""

    settings.SECRET_KEY_FALLBACKS = []
    assert forget(NUMBER, "--when") == ""


def test_what_comes_later_is_not_kept(story: str) -> None:
    forget(NUMBER)
    keep_results(dial_id=Dial.objects.get().id, results=Results(transcript=PERSONAL))
    assert saying(PERSONAL) == []


def test_nobody_else_is_forgotten(story: str, api: Api, agent: Agent, work: Work) -> None:
    body = {"agentId": agent.native_id, "toNumber": OTHER, "params": {"name": PERSONAL}}
    ordered(api, body)
    work()
    forget(NUMBER)
    assert Call.objects.get(to_number=OTHER).params == {"name": PERSONAL}
    assert Event.objects.filter(body__contains=OTHER).count() == 2


def test_what_is_still_to_be_told_is_told_without_them(
    story: str, api: Api, receiver: Receiver, work: Work
) -> None:
    """The end of a call goes out, whatever was erased before it could."""
    told = len(receiver.requests)
    Delivery.objects.update(status="pending", next_attempt_at=timezone.now(), ended_at=None)
    forget(NUMBER)
    work(for_=timedelta(seconds=2))
    late = receiver.requests[told:]
    assert len(late) == 5
    assert not [one for one in late if NUMBER.encode() in one.body or PERSONAL.encode() in one.body]


@pytest.mark.django_db(transaction=True)
def test_refused_while_somebody_is_being_told(
    api: Api, account: Account, agent: Agent, receiver: Receiver, work: Work
) -> None:
    """What the receiver answers is written down afterwards, and may say what it was told."""
    tried = threading.Event()

    def reply(received: Received) -> Reply:
        tried.wait(20)
        return Reply(200, body=received.body)

    def send() -> None:
        deliveries().run(linger=0)
        connection.close()

    subscribe(account, url=receiver.url, events=["call.completed"])
    Subscription.objects.update(status="paused")
    ordered(api, {"agentId": agent.native_id})
    work()
    Subscription.objects.update(status="enabled")
    Delivery.objects.update(status="pending", next_attempt_at=timezone.now())
    receiver.reply = reply
    with ThreadPoolExecutor(1) as threads:
        worker = threads.submit(send)
        receiver.wait_for(1)
        try:
            with pytest.raises(CommandError, match="1 of its webhook deliveries are being sent"):
                forget(NUMBER, "--cancel")
            assert Call.objects.get().to_number == NUMBER
        finally:
            tried.set()
        worker.result()

    assert "webhooks.Attempt" in saying(NUMBER)
    forget(NUMBER)
    assert saying(NUMBER) == []


@pytest.mark.parametrize("when", ["2", None])
def test_refused_while_something_has_not_ended(
    api: Api, agent: Agent, work: Work, when: str | None
) -> None:
    body: dict[str, Any] = {"agentId": agent.native_id, "params": {"name": PERSONAL}}
    if when:
        body["scheduledAt"] = (timezone.now() + timedelta(days=2)).isoformat()
    ordered(api, body)
    if not when:
        work(for_=timedelta(seconds=1))  # it rings
    before = kept()

    with pytest.raises(CommandError, match="1 of its calls have not ended"):
        forget(NUMBER)

    assert kept() == before


def test_refused_while_a_message_is_on_its_way(api: Api, agent: Agent) -> None:
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Dear {{name}}"}
    api.post("/api/v1/sms/send", body)
    with pytest.raises(CommandError, match="1 of its messages have not ended"):
        forget(NUMBER, "--cancel")


def test_what_waits_or_rings_is_canceled_first_on_demand(
    api: Api, agent: Agent, work: Work
) -> None:
    body = {"agentId": agent.native_id, "params": {"name": PERSONAL}}
    ordered(api, {**body, "scheduledAt": (timezone.now() + timedelta(days=2)).isoformat()})
    forget(NUMBER, "--cancel")
    assert Call.objects.get().reason == "on_request"
    assert saying(PERSONAL) == []

    ordered(api, body)
    work(for_=timedelta(seconds=1))
    with pytest.raises(CommandError, match="Try again in a minute"):
        forget(NUMBER, "--cancel")
    work(for_=timedelta(seconds=10))
    forget(NUMBER)
    assert saying(PERSONAL) == []


def test_the_same_order_again_rings_nobody(api: Api, agent: Agent, work: Work) -> None:
    """Its number is gone, and still it is known that it was carried out."""
    zap = {"agent_id": str(agent.id), "to_number": NUMBER, "call_id": str(agent.id)}
    assert api.post("/api/zapier/actions/outbound-call", zap).status_code == 200
    body = {"agentId": agent.native_id}
    ordered(api, body, Idempotency_Key="k-1")
    text = {**body, "toNumber": NUMBER, "message": "Hello"}
    api.post("/api/v1/sms/send", text, Idempotency_Key="k-2")
    assert not IdempotencyKey.objects.filter(fingerprint="").exists()
    work()
    forget(NUMBER)
    # They are made of the order with its number, which could be found by trying.
    assert [key.fingerprint for key in IdempotencyKey.objects.all()] == ["", ""]

    assert api.post("/api/zapier/actions/outbound-call", zap).status_code == 409
    again = api.post("/api/v1/calls/send", {**body, "toNumber": NUMBER}, Idempotency_Key="k-1")
    assert again.status_code == 409
    assert api.post("/api/v1/sms/send", text, Idempotency_Key="k-2").status_code == 409
    assert (Call.objects.count(), Message.objects.count()) == (2, 1)
    assert IdempotencyKey.objects.count() == 2


def test_nothing_is_left_to_find_an_operators_order_by_trying(agent: Agent, work: Work) -> None:
    operator, path = Operator(), f"calls/call/place/{agent.id}/"
    once = re.search(r'name="once" value="([^"]+)"', operator.read(path))
    assert once
    order = {"once": once[1], "mode": "test", "to_number": NUMBER}
    operator.post(path, **order)
    fingerprint = Call.objects.get().fingerprint
    work()
    assert set(saying(fingerprint)) == {"calls.Call", "calls.IdempotencyKey"}

    forget(NUMBER)

    assert saying(fingerprint) == []
    operator.post(path, **order)
    assert Call.objects.count() == 1


def test_the_admin_shows_that_it_was_erased(account: Account, agent: Agent, story: str) -> None:
    operator = Operator()
    call, message = Call.objects.get(), Message.objects.get()
    row = DoNotCall.objects.get()
    operator.post("calls/donotcall/", action="delete_selected", _selected_action=row.pk, post="yes")
    assert saying(NUMBER).count("admin.LogEntry") == 1

    forget(NUMBER)

    assert saying(NUMBER) == []
    page = operator.read(f"calls/call/{call.id}/change/")
    assert "erased" in page
    assert "/call_again/" not in page
    assert "erased" in operator.read("calls/call/")
    assert "erased" in operator.read(f"calls/message/{message.id}/change/")


@pytest.mark.parametrize("number", ["", "4155550123", "+1", "erased"])
def test_what_is_no_number_is_refused(db: None, number: str) -> None:
    with pytest.raises(CommandError, match="country code"):
        forget(number)
