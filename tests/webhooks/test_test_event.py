"""`POST webhooks/{id}/test`."""

from collections.abc import Callable
from datetime import timedelta

from agents.models import Account, Agent
from core import secrets
from tests.factories import Api
from tests.receiver import Receiver
from webhooks import controls
from webhooks.events import CALL_COMPLETED
from webhooks.models import Delivery, Event, Subscription
from webhooks.services import subscribe, subscribe_zap

Work = Callable[..., None]


def test_a_test_event_goes_to_just_this_webhook(
    api: Api, account: Account, webhook: Subscription, path: str, receiver: Receiver, work: Work
) -> None:
    subscribe(account, url=receiver.url + "/other", events=[CALL_COMPLETED])

    answer = api.post(f"{path}/test")
    delivery = Delivery.objects.get()
    event = Event.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "id": delivery.native_id,
        "eventId": event.native_id,
        "event": "test",
        "status": "pending",
        "attempts": 0,
        "nextAttemptAt": answer.json()["createdAt"],
        "createdAt": answer.json()["createdAt"],
    }
    work(for_=timedelta(seconds=1))
    (request,) = receiver.requests
    assert request.path == "/hook"
    assert request.json["event"] == "test"
    assert request.json["data"]["test"] is True
    assert request.json["data"]["webhookId"] == webhook.native_id
    assert request.headers["webhook-id"] == request.json["id"] == event.native_id
    assert request.verify(secrets.decrypt(webhook.encrypted_secret))


def test_a_zaps_test_is_shaped_as_a_live_delivery(
    api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    controls.send_test(subscribe_zap(agent, url=receiver.url))
    work(for_=timedelta(seconds=1))
    (request,) = receiver.requests
    (sample,) = api.get("/api/zapier/samples/call-disposition").json()
    assert set(request.json) == set(sample)
    assert request.json["agent_id"] == str(agent.id)
    assert request.json["params"]["test"] is True
    assert request.json["id"] == str(Event.objects.get().id)
