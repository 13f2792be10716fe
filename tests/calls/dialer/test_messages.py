"""Text messages by a voice engine: the same protocol, under `/messages`."""

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from calls.carriers import carrier_named
from calls.carriers.base import (
    Callback,
    CallbackRefused,
    CarrierError,
    CarrierUncertain,
    MessageOrder,
)
from calls.models import MessageStatus
from core.ids import new_id
from tests.calls.dialer.engine import SECRET, Engine, Says, an_engine

dialer = carrier_named("dialer")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with an_engine() as engine:
        yield engine


@pytest.fixture
def order(engine: Engine) -> MessageOrder:
    return MessageOrder(
        message_id=new_id(),
        agent_id=new_id(),
        ask=1,
        asked_at=datetime.now(UTC),
        carrier_id="",
        from_number="+14155550100",
        to_number="+14155550123",
        text="Hello Ada \U0001f600",
        callback_url="https://calls.example.org/carriers/dialer/messages/1",
        credentials={"url": engine.url, "secret": SECRET},
    )


def callback(said: Any, *, secret: str = SECRET) -> Callback:
    body, now = json.dumps(said).encode(), datetime.now(UTC)
    headers = {
        "Webhook-Id": "r",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("r", now, body.decode()),
    }
    return Callback(method="POST", url="", topic="status", headers=headers, body=body, fields={})


def token_of(order: MessageOrder, engine: Engine) -> str:
    dialer.send_sms(order)
    return str(engine.orders[-1].json["token"])


def test_the_order(engine: Engine, order: MessageOrder) -> None:
    accepted = dialer.send_sms(order)

    (asked,) = engine.orders
    assert asked.path == "/calls/messages"
    assert asked.headers["webhook-id"] == str(order.message_id)
    asked.verify()
    assert asked.json == {
        "message_id": str(order.message_id),
        "agent_id": f"agent_{order.agent_id.hex}",
        "from_number": "+14155550100",
        "to_number": "+14155550123",
        "text": "Hello Ada \U0001f600",
        "status_url": "https://calls.example.org/carriers/dialer/messages/1/status",
        "token": asked.json["token"],
    }
    assert accepted.carrier_id == "e-1"


@pytest.mark.parametrize(
    ("answer", "reason", "is_permanent"),
    [
        (Says(429), "carrier_busy", False),
        (Says(400, {"reason": "rejected"}), "rejected", True),
        (Says(400, {"reason": "not_supported"}), "not_supported", True),
        (Says(404), "carrier_refused", True),
    ],
)
def test_a_refusal(
    engine: Engine, order: MessageOrder, answer: Says, reason: str, is_permanent: bool
) -> None:
    engine.on_order = lambda asked: answer
    with pytest.raises(CarrierError) as refused:
        dialer.send_sms(order)
    assert (refused.value.reason, refused.value.permanent) == (reason, is_permanent)


@pytest.mark.parametrize("answer", [Says(500), Says(is_cut=True), Says(302)])
def test_what_may_have_arrived(engine: Engine, order: MessageOrder, answer: Says) -> None:
    engine.on_order = lambda asked: answer
    with pytest.raises(CarrierUncertain):
        dialer.send_sms(order)


def test_what_became_of_it(engine: Engine, order: MessageOrder) -> None:
    at = order.asked_at + timedelta(seconds=1)
    said = [
        {"status": "sent", "at": at.isoformat()},
        {"status": "failed", "at": at.isoformat(), "reason": "rejected"},
    ]
    engine.on_look = lambda asked: Says(200, {"reports": said})
    snapshot = dialer.fetch_sms(order)

    assert snapshot
    assert [(one.status, one.at, one.reason) for one in snapshot.reports] == [
        (MessageStatus.SENT, at, ""),
        (MessageStatus.FAILED, at, "rejected"),
    ]
    (asked,) = engine.asked
    assert asked.path == f"/calls/messages/{order.message_id}"
    assert asked.headers["webhook-id"] == f"{order.message_id}.get"
    asked.verify()


def test_one_that_it_never_heard_of(engine: Engine, order: MessageOrder) -> None:
    assert dialer.fetch_sms(order) is None
    engine.on_look = lambda asked: Says(501)
    nothing = dialer.fetch_sms(order)
    assert nothing
    assert nothing.reports == ()


def test_a_report(engine: Engine, order: MessageOrder) -> None:
    said = {"token": token_of(order, engine), "status": "delivered", "id": "e-2"}
    heard = dialer.hear_of_message(callback({**said, "at": order.asked_at.isoformat()}), order)

    assert [one.status for one in heard.reports] == [MessageStatus.DELIVERED]
    assert heard.carrier_id == "e-2"


@pytest.mark.parametrize(
    ("change", "is_forged"),
    [({"token": "0" * 64}, True), ({"status": "read"}, False), ({"at": None}, False)],
)
def test_a_report_that_is_not_taken(
    engine: Engine, order: MessageOrder, change: dict[str, Any], is_forged: bool
) -> None:
    at = order.asked_at.isoformat()
    said = {"token": token_of(order, engine), "status": "sent", "at": at, **change}
    with pytest.raises(CallbackRefused) as refused:
        dialer.hear_of_message(callback(said), order)
    assert refused.value.is_forged is is_forged


def test_a_report_signed_by_another(engine: Engine, order: MessageOrder) -> None:
    said = {"token": token_of(order, engine), "status": "sent", "at": order.asked_at.isoformat()}
    other = "whsec_" + b64encode(b"another secret").decode()
    with pytest.raises(CallbackRefused) as refused:
        dialer.hear_of_message(callback(said, secret=other), order)
    assert refused.value.is_forged
