"""An endpoint, a row or a key that is broken spoils nothing for the others."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account, Agent
from core import http
from tests.factories import make_account, make_agent
from tests.receiver import Receiver, Reply, receiving
from webhooks import leases, outbox, services
from webhooks.delivery import Post, Sent, deliveries, record_attempts
from webhooks.events import CALL_COMPLETED
from webhooks.health import pause_asked
from webhooks.models import Attempt, Delivery, Event, Subscription

Work = Callable[..., None]


def subscribe(account: Account, url: str) -> Subscription:
    return services.subscribe(account, url=url, events=[CALL_COMPLETED])[0]


def publish(agent: Agent) -> None:
    services.publish(CALL_COMPLETED, agent=agent, data={"callId": "call_1"})


@pytest.mark.parametrize(
    "retry_after",
    [
        "\u00b2",
        "9" * 5000,
        "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "-1",
        "1e9",
        "soon",
        "",
    ],
)
def test_a_retry_after_that_makes_no_sense_is_ignored(retry_after: str) -> None:
    assert pause_asked(retry_after, now=timezone.now()) is None


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("0", None), ("1", 1), (" 120 ", 120), ("86400", 86_400), ("999999999", 86_400)],
)
def test_a_retry_after_in_seconds(retry_after: str, seconds: int | None) -> None:
    asked = pause_asked(retry_after, now=timezone.now())
    assert (asked.total_seconds() if asked else None) == seconds


def test_a_retry_after_as_a_date() -> None:
    now = timezone.now().replace(microsecond=0)
    later = now + timedelta(minutes=5)
    assert pause_asked(f"{later:%a, %d %b %Y %H:%M:%S} GMT", now=now) == timedelta(minutes=5)


def test_headers_and_bodies_of_any_bytes_are_written_down(
    account: Account, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe(account, receiver.url)
    header = "caf\u00e9 \u00ff"  # sent as latin-1, which is no UTF-8
    receiver.reply = lambda received: Reply(200, {"X-Server": header}, b"\x00\xff\xed\xa0\x80")
    publish(agent)
    work()
    assert Delivery.objects.get().status == "delivered"
    attempt = Attempt.objects.get()
    assert attempt.response_headers["X-Server"].startswith("caf\ufffd")
    assert attempt.response_body.startswith("\ufffd")


def test_a_secret_that_no_key_opens_stops_nobody_else(
    account: Account, agent: Agent, receiver: Receiver, work: Work, settings: Settings
) -> None:
    subscribe(account, f"{receiver.url}/unreadable")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    other = make_account(name="Other")
    subscribe(other, f"{receiver.url}/fine")
    publish(agent)
    publish(make_agent(other))
    work(for_=timedelta(seconds=1))
    assert [request.path for request in receiver.requests] == ["/hook/fine"]
    assert Attempt.objects.filter(failure="secret_unreadable").count() == 1


def test_a_result_that_cannot_be_written_takes_no_other_with_it(
    account: Account, agent: Agent, receiver: Receiver
) -> None:
    for number in range(3):
        subscribe(account, f"{receiver.url}/{number}")
    publish(agent)
    leased = leases.lease_due(10, rooms={}, share=8, now=timezone.now())
    answers = [
        http.Answer(failure="", duration=0.1, status=200),
        http.Answer(failure="x" * 100, duration=0.1, status=200, address="no address"),
        http.Answer(failure="", duration=0.1, status=200),
    ]
    drain = deliveries()
    drain.begin()
    drain._shares.began(one.subscription.id for one in leased)
    drain.record(
        [
            Sent(post=Post(one, http.Outgoing("", {}, b""), timezone.now()), answer=answer)
            for one, answer in zip(leased, answers, strict=True)
        ]
    )
    statuses = [Delivery.objects.get(id=one.id).status for one in leased]
    if connection.vendor == "postgresql":
        assert statuses == ["delivered", "pending", "delivered"]
        assert Attempt.objects.filter(failure="not_recorded").count() == 1
    assert Attempt.objects.count() == 3


def test_what_crossed_on_the_way_is_mended(account: Account, agent: Agent) -> None:
    enabled, paused, removed = (
        subscribe(account, f"https://hooks.example.org/{name}") for name in "abc"
    )
    publish(agent)
    Delivery.objects.filter(subscription=enabled).update(status="held", next_attempt_at=None)
    Subscription.objects.filter(id=paused.id).update(status="paused")
    Subscription.objects.filter(id=removed.id).update(deleted_at=timezone.now())
    outbox.mend(now=timezone.now())
    statuses = [Delivery.objects.get(subscription=one).status for one in (enabled, paused, removed)]
    assert statuses == ["pending", "held", "canceled"]


def test_who_was_disabled_is_not_told_of_it_later(
    account: Account, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(410)
    services.subscribe(account, url=receiver.url, events=[CALL_COMPLETED, "endpoint.disabled"])
    publish(agent)
    work()
    assert Subscription.objects.get().status == "disabled"
    assert Event.objects.filter(type="endpoint.disabled").exists()
    assert [one.event.type for one in Delivery.objects.all()] == [CALL_COMPLETED]


def test_what_json_does_not_have_becomes_null(
    account: Account, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe(account, receiver.url)
    data = {"a": float("nan"), "b": [1.5, (float("inf"), {"c": float("-inf")})], "callId": "call_1"}
    services.publish(CALL_COMPLETED, agent=agent, data=data)
    work()
    assert receiver.requests[0].json["data"] == {
        "a": None,
        "b": [1.5, [None, {"c": None}]],
        "callId": "call_1",
    }


def test_the_account_is_told_of_an_endpoint_that_was_disabled(
    account: Account, agent: Agent, receiver: Receiver, work: Work
) -> None:
    with receiving() as gone:
        gone.reply = lambda received: Reply(410)
        webhook = subscribe(account, gone.url)
        services.subscribe(account, url=receiver.url, events=["endpoint.disabled"])
        publish(agent)
        work()
    assert receiver.events == ["endpoint.disabled"]
    assert receiver.requests[0].json["data"] == {
        "webhookId": webhook.native_id,
        "agentId": None,
        "url": gone.url,
        "reason": "gone",
    }


@pytest.mark.parametrize("weight", [1_000, 300_000])
def test_an_event_too_large_is_cut_and_says_so(
    account: Account, agent: Agent, receiver: Receiver, work: Work, weight: int
) -> None:
    subscribe(account, receiver.url)
    data = {"callId": "call_1", "agentId": "a", "status": "completed", "text": "x" * weight}
    services.publish(CALL_COMPLETED, agent=agent, data=data)
    work()
    told = receiver.requests[0].json["data"]
    if weight == 1_000:
        assert told == data
    else:
        assert told == {
            "callId": "call_1",
            "agentId": "a",
            "status": "completed",
            "truncated": True,
        }


@pytest.mark.django_db(transaction=True)
def test_recording_and_changing_endpoints_never_deadlock(account: Account, agent: Agent) -> None:
    webhooks = [subscribe(account, f"https://hooks.example.org/{number}") for number in range(4)]
    for _ in range(20):
        publish(agent)

    def record(is_reversed: bool) -> None:
        leased = leases.lease_due(40, rooms={}, share=10, now=timezone.now())
        failed = http.Answer(failure="http_error", duration=0.1, status=500)
        sent = [
            Sent(post=Post(one, http.Outgoing("", {}, b""), timezone.now()), answer=failed)
            for one in sorted(leased, key=lambda one: one.subscription.url, reverse=is_reversed)
        ]
        if sent:
            record_attempts(sent, now=timezone.now())

    def change(number: int) -> None:
        for status in ("paused", "enabled"):
            services.change_subscription(webhooks[number % 4], status=status)

    def act(number: int) -> None:
        try:
            if number % 2:
                change(number)
            else:
                record(bool(number % 4))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(act, range(32))) == [None] * 32
