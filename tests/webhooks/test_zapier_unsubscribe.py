"""`DELETE /api/zapier/unsubscribe/{id}`."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from tests.factories import Api
from tests.receiver import Receiver, Reply
from webhooks.models import Delivery, Subscription
from webhooks.services import publish, subscribe_zap

URL = "/api/zapier/unsubscribe/"
DONE = {"success": True}
NOT_FOUND = {"error": "subscription not found"}


@pytest.fixture
def zap(agent: Agent, receiver: Receiver) -> Subscription:
    return subscribe_zap(agent, url=receiver.url)


def answer_of(response: Any) -> tuple[int, Any]:
    return response.status_code, response.json()


def tell(agent: Agent) -> None:
    publish("call.completed", agent=agent, data={}, disposition={"status": "completed"})


def test_once_and_again(api: Api, zap: Subscription) -> None:
    assert answer_of(api.delete(f"{URL}{zap.id}")) == (200, DONE)
    assert answer_of(api.delete(f"{URL}{zap.id}")) == (404, NOT_FOUND)


def test_by_the_native_form_of_the_id(api: Api, zap: Subscription) -> None:
    assert answer_of(api.delete(f"{URL}{zap.native_id}")) == (200, DONE)


def test_a_json_content_type_without_a_body(api: Api, zap: Subscription) -> None:
    answer = api.delete(f"{URL}{zap.id}", Content_Type="application/json")
    assert answer_of(answer) == (200, DONE)


@pytest.mark.parametrize("unknown", ["01940a6e-1400-7000-8000-000000000001", "nonsense", "%00"])
def test_unknown(api: Api, unknown: str) -> None:
    assert answer_of(api.delete(URL + unknown)) == (404, NOT_FOUND)


def test_another_accounts_is_not_there(stranger_api: Api, zap: Subscription) -> None:
    assert answer_of(stranger_api.delete(f"{URL}{zap.id}")) == (404, NOT_FOUND)
    assert Subscription.objects.present().exists()


def test_each_surface_has_its_own(api: Api, zap: Subscription, receiver: Receiver) -> None:
    native = {"url": receiver.url, "events": ["call.completed"]}
    native_id = api.post("/api/v1/webhooks", native).json()["id"]
    assert answer_of(api.delete(URL + native_id)) == (404, NOT_FOUND)
    assert api.delete(f"/api/v1/webhooks/{zap.native_id}").status_code == 404
    assert Subscription.objects.present().count() == 2


def test_deliveries_stop_at_once(
    api: Api, agent: Agent, zap: Subscription, receiver: Receiver, work: Callable[..., None]
) -> None:
    receiver.reply = lambda received: Reply(500)
    tell(agent)
    work()
    sent = len(receiver.requests)
    assert sent > 0
    tell(agent)

    api.delete(f"{URL}{zap.id}")
    tell(agent)
    work()

    assert len(receiver.requests) == sent
    assert {delivery.status for delivery in Delivery.objects.all()} == {"canceled"}
