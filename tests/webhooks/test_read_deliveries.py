"""Lists of deliveries, and one with all its attempts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from agents.models import Account, Agent
from core.times import rfc3339
from tests.factories import Api
from tests.receiver import Receiver, Reply
from tests.webhooks.telling import DELIVERIES, URL, answer_of, tell
from webhooks.events import CALL_COMPLETED, CALL_FAILED
from webhooks.models import Attempt, Subscription
from webhooks.services import subscribe

Work = Callable[..., None]


def test_deliveries_are_listed_newest_first(
    api: Api, agent: Agent, account: Account, path: str, receiver: Receiver, work: Work
) -> None:
    other = subscribe(account, url=receiver.url, events=[CALL_FAILED])[0]
    first, second = tell(agent, 1), tell(agent, 2)
    work(for_=timedelta(seconds=1))

    page = api.get(f"{path}/deliveries?limit=1").json()
    assert [row["id"] for row in page["results"]] == [second.native_id]
    assert page["results"][0]["status"] == "delivered"
    assert page["results"][0]["nextAttemptAt"] is None
    last = api.get(page["next"].removeprefix("http://testserver")).json()
    assert [row["id"] for row in last["results"]] == [first.native_id]
    assert last["next"] is None
    assert api.get(f"{URL}/{other.native_id}/deliveries").json()["results"] == []


def test_deliveries_are_filtered(
    api: Api, agent: Agent, path: str, work: Work, clock: time_machine.Traveller
) -> None:
    told = tell(agent)
    work(for_=timedelta(seconds=1))
    clock.shift(timedelta(seconds=10))
    between = rfc3339(timezone.now())
    clock.shift(timedelta(seconds=10))
    tried = api.post(f"{path}/test").json()["id"]

    def found(query: str) -> list[str]:
        answer = api.get(f"{path}/deliveries?{query}")
        assert answer.status_code == 200
        return [row["id"] for row in answer.json()["results"]]

    assert found("status=delivered") == found(f"createdBefore={between}") == [told.native_id]
    assert found("event=test") == found("status=pending") == [tried]
    assert found(f"createdAfter={between}") == [tried]
    assert found(f"event=test&createdBefore={between}") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=lost", "status"),
        ("event=call.dreamt", "event"),
        ("createdAfter=yesterday", "createdAfter"),
        ("createdBefore=7", "createdBefore"),
        ("cursor=mine", "cursor"),
    ],
)
def test_filters_that_make_no_sense(api: Api, path: str, query: str, field: str) -> None:
    answer = api.get(f"{path}/deliveries?{query}")
    assert answer_of(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["fields"]) == [field]


def test_a_delivery_with_all_its_attempts(
    api: Api, agent: Agent, webhook: Subscription, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: (
        Reply(500, {"X-Kind": "bad"}, b"x" * 20_000) if len(receiver.requests) < 2 else Reply(202)
    )
    delivery = tell(agent)
    work()

    seen = api.get(f"{DELIVERIES}/{delivery.native_id}").json()
    failed, last = seen.pop("log")
    assert seen == {
        "id": delivery.native_id,
        "webhookId": webhook.native_id,
        "eventId": delivery.event.native_id,
        "event": CALL_COMPLETED,
        "status": "delivered",
        "attempts": 2,
        "nextAttemptAt": None,
        "createdAt": seen["createdAt"],
        "body": receiver.requests[0].body.decode(),
    }
    assert (failed["number"], failed["failure"], failed["responseStatus"]) == (1, "http_error", 500)
    assert failed["responseBody"] == "x" * 16 * 1024
    assert failed["responseHeaders"]["X-Kind"] == "bad"
    assert failed["requestHeaders"]["webhook-id"] == delivery.event.native_id
    assert failed["address"] == "127.0.0.1"
    assert 0 < failed["duration"] < 5
    assert failed["startedAt"].endswith("Z")
    assert (last["number"], last["failure"], last["responseStatus"]) == (2, None, 202)


@pytest.mark.parametrize(("made", "first"), [(50, 1), (51, 2)])
def test_the_newest_attempts_are_shown(
    api: Api, agent: Agent, webhook: Subscription, made: int, first: int
) -> None:
    delivery, now = tell(agent), timezone.now()
    Attempt.objects.bulk_create(
        Attempt(delivery=delivery, number=number, started_at=now, duration=0.1)
        for number in range(1, made + 1)
    )
    log = api.get(f"{DELIVERIES}/{delivery.id}").json()["log"]
    assert [attempt["number"] for attempt in log] == list(range(first, made + 1))


def test_the_log_of_a_removed_webhook_stays(
    api: Api, agent: Agent, webhook: Subscription, path: str
) -> None:
    delivery = tell(agent)
    assert api.delete(path).status_code == 204
    seen = api.get(f"{DELIVERIES}/{delivery.id}")
    assert (seen.status_code, seen.json()["status"]) == (200, "canceled")
    assert answer_of(api.get(f"{path}/deliveries")) == (404, "webhook_not_found")
    again = api.post(f"{DELIVERIES}/{delivery.id}/redeliver")
    assert answer_of(again) == (404, "webhook_not_found")


@pytest.mark.parametrize("unknown", ["0" * 31 + "1", "dlv_" + "0" * 31 + "1", "nonsense", "%00"])
def test_a_delivery_that_is_not_there(api: Api, unknown: str) -> None:
    assert answer_of(api.get(f"{DELIVERIES}/{unknown}")) == (404, "delivery_not_found")
    again = api.post(f"{DELIVERIES}/{unknown}/redeliver")
    assert answer_of(again) == (404, "delivery_not_found")
