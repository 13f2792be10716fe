"""`POST deliveries/{id}/redeliver`."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from core.ids import new_id
from core.times import rfc3339
from tests.factories import Api
from tests.receiver import Received, Receiver, Reply
from tests.webhooks.telling import DELIVERIES, answer_of, pruned_before_an_update, tell
from webhooks.delivery import deliveries
from webhooks.models import Delivery, Event, Subscription

Work = Callable[..., None]


@pytest.mark.parametrize("status", ["delivered", "failed", "held", "canceled"])
def test_whatever_became_of_it_it_is_sent_again(
    api: Api, agent: Agent, webhook: Subscription, receiver: Receiver, work: Work, status: str
) -> None:
    delivery = tell(agent)
    work(for_=timedelta(seconds=1))
    Delivery.objects.update(status=status)

    answer = api.post(f"{DELIVERIES}/{delivery.native_id}/redeliver")
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending"
    assert answer.json()["nextAttemptAt"] is not None
    work(for_=timedelta(seconds=1))

    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 2)


def test_a_waiting_retry_is_due_now(
    api: Api, agent: Agent, webhook: Subscription, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(500)
    delivery = tell(agent)
    work(for_=timedelta(minutes=1))
    receiver.reply = lambda received: Reply()
    sent = len(receiver.requests)
    Subscription.objects.update(resumes_at=None)

    api.post(f"{DELIVERIES}/{delivery.id}/redeliver")
    work(for_=timedelta(seconds=1))
    assert len(receiver.requests) == sent + 1
    delivery.refresh_from_db()
    assert delivery.status == "delivered"


@pytest.mark.parametrize(("lease", "is_left"), [(30, True), (-1, False)])
def test_one_whose_lease_runs_is_left_to_its_worker(
    api: Api, agent: Agent, webhook: Subscription, lease: int, is_left: bool
) -> None:
    delivery = tell(agent)
    until = timezone.now() + timedelta(seconds=lease)
    Delivery.objects.update(lease_token=new_id(), next_attempt_at=until)

    assert api.post(f"{DELIVERIES}/{delivery.id}/redeliver").status_code == 202
    delivery.refresh_from_db()
    assert (delivery.next_attempt_at == until) == is_left
    assert (delivery.lease_token is not None) == is_left


@pytest.mark.django_db(transaction=True)
def test_clicks_while_it_is_being_sent_do_not_send_it_twice(
    api: Api, agent: Agent, webhook: Subscription, receiver: Receiver
) -> None:
    clicked = threading.Event()

    def reply(received: Received) -> Reply:
        clicked.wait(20)
        return Reply()

    receiver.reply = reply
    delivery = tell(agent)

    def closing(action: Callable[[], Any]) -> Any:
        try:
            return action()
        finally:
            connection.close()

    def click() -> int:
        return int(api.post(f"{DELIVERIES}/{delivery.id}/redeliver").status_code)

    with ThreadPoolExecutor(8) as threads:
        worker = threads.submit(closing, lambda: deliveries().run(linger=0))
        receiver.wait_for(1)
        clicks = [threads.submit(closing, click) for _ in range(6)]
        assert {one.result() for one in clicks} == {202}
        clicked.set()
        worker.result()
    assert len(receiver.requests) == 1
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


def test_one_that_goes_for_its_age_meanwhile_is_not_found(
    api: Api, agent: Agent, webhook: Subscription
) -> None:
    delivery = tell(agent)
    with pruned_before_an_update():
        answer = api.post(f"{DELIVERIES}/{delivery.id}/redeliver")
    assert answer_of(answer) == (404, "delivery_not_found")


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_nothing_is_sent_to_one_that_is_off(api: Api, agent: Agent, path: str, status: str) -> None:
    delivery = tell(agent)
    Subscription.objects.update(status=status)
    since = {"since": rfc3339(timezone.now() - timedelta(days=1))}
    for answer in (
        api.post(f"{DELIVERIES}/{delivery.id}/redeliver"),
        api.post(f"{path}/test"),
        api.post(f"{path}/recover", since),
    ):
        assert answer_of(answer) == (409, "webhook_not_enabled")
    assert Event.objects.count() == 1
