"""Who may steer a webhook, and how fast it may be sent to."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent
from core.times import rfc3339
from tests.factories import Api
from tests.receiver import Receiver
from tests.webhooks.telling import DELIVERIES, URL, answer_of, tell
from webhooks import controls
from webhooks.models import Delivery, Event, Subscription
from webhooks.services import subscribe_zap


def test_a_stranger_steers_nothing(
    stranger_api: Api, agent: Agent, webhook: Subscription, path: str
) -> None:
    delivery = tell(agent)
    before = (Subscription.objects.values().get(), Delivery.objects.values().get())
    since = {"since": rfc3339(timezone.now() - timedelta(days=1))}
    for answer in (
        stranger_api.post(f"{path}/rotate-secret"),
        stranger_api.post(f"{path}/test"),
        stranger_api.post(f"{path}/recover", since),
        stranger_api.get(f"{path}/health"),
        stranger_api.get(f"{path}/deliveries"),
    ):
        assert answer_of(answer) == (404, "webhook_not_found")
    for answer in (
        stranger_api.get(f"{DELIVERIES}/{delivery.native_id}"),
        stranger_api.post(f"{DELIVERIES}/{delivery.native_id}/redeliver"),
    ):
        assert answer_of(answer) == (404, "delivery_not_found")
    assert (Subscription.objects.values().get(), Delivery.objects.values().get()) == before
    assert Event.objects.count() == 1


def test_zapiers_are_not_the_native_apis(api: Api, agent: Agent, receiver: Receiver) -> None:
    delivery = controls.send_test(subscribe_zap(agent, url=receiver.url))
    answer = api.post(f"{URL}/{delivery.subscription.native_id}/test")
    assert answer_of(answer) == (404, "webhook_not_found")
    seen = api.get(f"{DELIVERIES}/{delivery.native_id}")
    assert answer_of(seen) == (404, "delivery_not_found")


@pytest.mark.parametrize("limit", [1, 1000, None])
def test_a_limit_is_set_and_taken_away(api: Api, path: str, limit: int | None) -> None:
    assert api.patch(path, {"requestsPerSecond": limit}).json()["requestsPerSecond"] == limit
    assert Subscription.objects.get().requests_per_second == limit


@pytest.mark.parametrize("limit", [0, 1001, "many", 1.5])
def test_a_limit_that_makes_no_sense(api: Api, path: str, limit: object) -> None:
    answer = api.patch(path, {"requestsPerSecond": limit})
    assert answer_of(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["fields"]) == ["requestsPerSecond"]
