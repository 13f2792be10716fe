"""Deliveries over real sockets: at least once, on schedule, each endpoint on its own."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from agents.models import Account, Agent
from core import secrets
from tests.factories import make_agent
from tests.receiver import Receiver, Reply, receiving
from tests.webhooks.telling import hanging_until
from webhooks import services
from webhooks.delivery import deliveries
from webhooks.events import CALL_COMPLETED
from webhooks.leases import Leased, lease_due
from webhooks.models import LEASE, Attempt, Delivery, Subscription
from webhooks.signing import new_secret

Work = Callable[..., None]


@pytest.fixture
def webhook(account: Account, receiver: Receiver) -> Subscription:
    return services.subscribe(account, url=receiver.url, events=[CALL_COMPLETED])[0]


def publish(agent: Agent, number: int = 1) -> None:
    services.publish(CALL_COMPLETED, agent=agent, data={"callId": f"call_{number}", "name": "Zoë"})


def lease(free: int, *, share: int = 100) -> list[Leased]:
    return lease_due(free, rooms={}, share=share, now=timezone.now())


def test_body_and_headers(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    publish(agent)
    work()
    request = receiver.requests[0]
    delivery = Delivery.objects.get()
    event = delivery.event
    assert request.body.decode() == event.body
    assert request.json == {
        "event": "call.completed",
        "data": {"callId": "call_1", "name": "Zoë"},
        "id": event.native_id,
        "created_at": request.json["created_at"],
    }
    assert "Zoë".encode() in request.body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Outdial/")
    assert request.headers["webhook-id"] == event.native_id
    assert request.verify(secrets.decrypt(webhook.encrypted_secret))
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


def test_the_attempt_is_written_down(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(202, {"X-Kind": "yes"}, b"thanks \x00 \xff")
    publish(agent)
    work()
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.failure, attempt.response_status) == (1, "", 202)
    assert attempt.response_headers["X-Kind"] == "yes"
    assert attempt.response_body == "thanks \ufffd \ufffd"
    assert attempt.request_headers["webhook-id"] == Delivery.objects.get().event.native_id
    assert attempt.address == "127.0.0.1"
    assert 0 < attempt.duration < 5


def test_retries_follow_the_schedule_with_the_same_bytes(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(500)
    publish(agent)
    work(for_=timedelta(days=5))
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("failed", 10)
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    starts = list(Attempt.objects.values_list("started_at", flat=True))
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(starts)]
    for gap, planned in zip(
        gaps, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400], strict=True
    ):
        assert 0.8 * planned <= gap <= 1.2 * planned + 2


def test_a_retry_that_succeeds_ends_it(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(500 if len(receiver.requests) < 3 else 200)
    publish(agent)
    work(for_=timedelta(hours=1))
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("delivered", 3)
    failures = Attempt.objects.values_list("failure", flat=True)
    assert list(failures) == ["http_error", "http_error", ""]
    assert Subscription.objects.get().failing_since is None


def test_gone_disables_and_holds(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(410)
    publish(agent)
    work()
    publish(agent, 2)
    work(for_=timedelta(days=1))
    webhook.refresh_from_db()
    assert (webhook.status, webhook.status_reason) == ("disabled", "gone")
    assert len(receiver.requests) == 1
    assert {delivery.status for delivery in Delivery.objects.all()} == {"held"}

    receiver.reply = lambda received: Reply()
    services.change_subscription(webhook, status="enabled")
    work()
    assert {delivery.status for delivery in Delivery.objects.all()} == {"delivered"}


def test_five_days_of_nothing_but_failure_disable(
    webhook: Subscription,
    agent: Agent,
    receiver: Receiver,
    work: Work,
    clock: time_machine.Traveller,
) -> None:
    receiver.reply = lambda received: Reply(500)
    publish(agent)
    work(for_=timedelta(days=4))
    webhook.refresh_from_db()
    assert webhook.status == "enabled"
    clock.shift(timedelta(days=5) - (timezone.now() - webhook.failing_since))  # type: ignore[operator]
    publish(agent, 2)
    work()
    webhook.refresh_from_db()
    assert (webhook.status, webhook.status_reason) == ("disabled", "failing_for_5_days")
    assert Delivery.objects.filter(status="held").count() == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_silences_the_whole_subscription(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work, status: int
) -> None:
    receiver.reply = lambda received: Reply(status, {"Retry-After": "600"})
    publish(agent)
    work(for_=timedelta(seconds=1))
    receiver.reply = lambda received: Reply()
    publish(agent, 2)
    work(for_=timedelta(minutes=9))
    assert len(receiver.requests) == 1
    work(for_=timedelta(minutes=2))
    assert len(receiver.requests) == 3
    assert {delivery.status for delivery in Delivery.objects.all()} == {"delivered"}


def test_a_worker_that_died_leaves_it_to_the_next(
    webhook: Subscription,
    agent: Agent,
    receiver: Receiver,
    work: Work,
    clock: time_machine.Traveller,
) -> None:
    publish(agent)
    assert len(lease(10)) == 1
    assert lease(10) == []
    work(for_=timedelta(seconds=1))
    assert receiver.requests == []
    clock.shift(LEASE)
    work()
    assert len(receiver.requests) == 1


def test_a_slow_endpoint_delays_no_other(
    account: Account, webhook: Subscription, agent: Agent, receiver: Receiver
) -> None:
    with receiving() as slow:
        slow.reply = hanging_until(receiver, has=40)
        services.subscribe(account, url=slow.url, events=[CALL_COMPLETED])
        for number in range(40):
            publish(agent, number)
        began = time.time()
        deliveries().run(linger=0)
    assert len(receiver.requests) == 40
    assert max(request.at for request in receiver.requests) - began < 2.5


def test_only_chosen_events_of_the_chosen_agent(
    account: Account, agent: Agent, receiver: Receiver, work: Work, stranger: Account
) -> None:
    other = make_agent(account, name="Other")
    services.subscribe(account, url=receiver.url, events=["call.failed"])
    services.subscribe(account, url=receiver.url, events=[CALL_COMPLETED], agent=other)
    services.subscribe(stranger, url=receiver.url, events=[CALL_COMPLETED])
    publish(agent)
    work()
    assert receiver.requests == []
    publish(other)
    work()
    assert receiver.events == ["call.completed"]


def test_during_a_rotation_both_secrets_sign(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    old = secrets.decrypt(webhook.encrypted_secret)
    new = new_secret()
    Subscription.objects.update(
        encrypted_old_secret=secrets.encrypt(old),
        old_secret_until=timezone.now() + timedelta(hours=24),
        encrypted_secret=secrets.encrypt(new),
    )
    publish(agent)
    work()
    for secret in (old, new):
        assert receiver.requests[0].verify(secret)


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_send_each_once(
    webhook: Subscription, agent: Agent, receiver: Receiver
) -> None:
    for number in range(64):
        publish(agent, number)

    def claim(_: int) -> list[str]:
        try:
            return [leased.subject for leased in lease(16, share=16)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        claimed = [one for many in threads.map(claim, range(8)) for one in many]
    assert len(claimed) == len(set(claimed))
    assert len(claimed) >= 16
