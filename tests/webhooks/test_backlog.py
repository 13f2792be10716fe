"""A backlog of a hundred thousand deliveries to one endpoint is nobody else's, nor ever stuck."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Account, Agent
from core import drain
from tests.factories import make_account, make_agent
from tests.receiver import Receiver, Reply, receiving
from tests.webhooks.telling import tell
from webhooks.delivery import deliveries
from webhooks.events import CALL_COMPLETED
from webhooks.health import AT_ONCE
from webhooks.models import Delivery, Event, Subscription
from webhooks.services import change_subscription, publish, subscribe
from webhooks.tasks import mend

pytestmark = pytest.mark.django_db(transaction=True)

# Far from what is measured (`make bench`), near enough to what would be felt.
SOON = 3.0


@pytest.fixture
def webhook(account: Account, receiver: Receiver) -> Subscription:
    return subscribe(account, url=receiver.url, events=[CALL_COMPLETED])[0]


@pytest.fixture
def other() -> Iterator[tuple[Agent, Receiver]]:
    """Another subscriber: its agent and its receiver."""
    account = make_account(name="Somebody else")
    with receiving() as calm:
        subscribe(account, url=calm.url, events=[CALL_COMPLETED])
        yield make_agent(account), calm


@pytest.fixture
def count() -> int:
    # SQLite is for small installs; there is one worker, in the same process.
    return 100_000 if connection.vendor == "postgresql" else 3_000


def pile_up(webhook: Subscription, agent: Agent, *, count: int) -> None:
    """So many deliveries, due for an hour."""
    first = publish(CALL_COMPLETED, agent=agent, data={"callId": "call_1"})
    if connection.vendor == "postgresql":
        copy_rows(webhook, first, count=count)
        return
    since = timezone.now() - timedelta(hours=1)
    fields = {"account": agent.account, "agent": agent, "type": first.type, "body": first.body}
    events = Event.objects.bulk_create(Event(**fields, created_at=since) for _ in range(count - 1))
    rows = {"subscription": webhook, "next_attempt_at": since, "created_at": since}
    Delivery.objects.bulk_create(Delivery(event=event, **rows) for event in events)


def copy_rows(webhook: Subscription, first: Event, *, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH event AS (
                INSERT INTO webhooks_event
                    (id, account_id, agent_id, type, subject, body, zapier_body, created_at)
                SELECT gen_random_uuid(), account_id, agent_id, type, subject, body, zapier_body,
                       created_at - interval '1 hour'
                FROM webhooks_event, generate_series(2, %s) WHERE id = %s
                RETURNING id, created_at
            )
            INSERT INTO webhooks_delivery
                (id, event_id, subscription_id, status, attempts, next_attempt_at, created_at)
            SELECT gen_random_uuid(), id, %s, 'pending', 0, created_at, created_at FROM event
            """,
            [count, first.id, webhook.id],
        )


@contextmanager
def running(task: Callable[[], None]) -> Iterator[threading.Thread]:
    """The task in a worker's thread, with a connection of its own; waited for at the end."""

    def work() -> None:
        try:
            task()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def test_it_delays_no_delivery_of_another(
    webhook: Subscription,
    agent: Agent,
    receiver: Receiver,
    other: tuple[Agent, Receiver],
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Stopping is for good; not so here.
    monkeypatch.setattr(drain, "_stopped_at", float("inf"))
    agent_of_other, calm = other
    receiver.reply = lambda received: Reply(delay=0.2)
    pile_up(webhook, agent, count=count)
    with running(lambda: deliveries().run(linger=0)):
        receiver.wait_for(300)
        waits = []
        for number in range(5):
            began = time.monotonic()
            publish(CALL_COMPLETED, agent=agent_of_other, data={"callId": f"call_{number}"})
            deliveries().look()  # as the worker does that gets the wake-up
            calm.wait_for(number + 1)
            waits.append(time.monotonic() - began)
        is_backlog_left = Delivery.objects.filter(status="pending", attempts=0).exists()
        drain.stop_drains()
    assert is_backlog_left
    assert max(waits) < SOON


def test_pausing_ends_and_blocks_nobody(
    webhook: Subscription, agent: Agent, other: tuple[Agent, Receiver], count: int
) -> None:
    agent_of_other, calm = other
    pile_up(webhook, agent, count=count)
    began = time.monotonic()
    change_subscription(webhook, status="paused")
    assert time.monotonic() - began < SOON
    assert Delivery.objects.filter(status="held").count() == AT_ONCE
    waits: list[float] = []
    with running(mend) as mending:
        while mending.is_alive() or not waits:
            began = time.monotonic()
            tell(agent_of_other)
            deliveries().run(linger=0)
            calm.wait_for(len(waits) + 1)
            waits.append(time.monotonic() - began)
            mending.join(0.3)
    assert max(waits) < SOON
    assert Delivery.objects.filter(status="held").count() == count
