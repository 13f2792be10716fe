"""A failing, slow or limited endpoint takes its own share of the workers, and no other's."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Account, Agent
from core import http
from tests.receiver import Receiver, Reply, receiving
from tests.webhooks.telling import hanging_until
from webhooks import services
from webhooks.delivery import (
    FIRST_SHARE,
    LARGEST_SHARE,
    MOST_KNOWN,
    Post,
    Sent,
    Shares,
    deliveries,
    record_attempts,
)
from webhooks.events import CALL_COMPLETED
from webhooks.leases import lease_due
from webhooks.models import CIRCUIT_OPENS_AFTER, Attempt, Delivery, Subscription

Work = Callable[..., None]

FINE = http.Answer(failure="", duration=0.1, status=200)
SLOW = http.Answer(failure="", duration=1.5, status=200)
BAD = http.Answer(failure="http_error", duration=0.1, status=500)


@pytest.fixture
def webhook(account: Account, receiver: Receiver) -> Subscription:
    return services.subscribe(account, url=receiver.url, events=[CALL_COMPLETED])[0]


def is_well(webhook: Subscription) -> bool:
    return not (webhook.failing_since or webhook.failures_in_row or webhook.resumes_at)


def publish(agent: Agent, count: int) -> None:
    for number in range(count):
        services.publish(CALL_COMPLETED, agent=agent, data={"callId": f"call_{number}"})


def test_an_open_circuit_is_probed_one_at_a_time(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(500)
    publish(agent, 100)
    work(for_=timedelta(minutes=10))
    # The first share finds it failing; from then on one probe after the other, a minute apart at
    # the longest, and the other deliveries keep all of their attempts.
    assert FIRST_SHARE + 8 <= len(receiver.requests) <= FIRST_SHARE + 40
    webhook.refresh_from_db()
    assert webhook.failures_in_row == len(receiver.requests)
    assert Delivery.objects.filter(attempts=0).count() > 50
    probes = Attempt.objects.order_by("started_at").values_list("started_at", flat=True)
    gaps = [
        (after - before).total_seconds()
        for before, after in zip(probes[FIRST_SHARE:], probes[FIRST_SHARE + 1 :], strict=False)
    ]
    assert min(gaps) >= 3.9
    assert max(gaps) <= 60 * 1.2 + 1


def test_one_that_returns_gets_its_backlog_without_a_herd(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(500)
    publish(agent, 60)
    work(for_=timedelta(minutes=3))
    failed = len(receiver.requests)
    receiver.reply = lambda received: Reply()
    work(for_=timedelta(minutes=6))
    assert Delivery.objects.filter(status="delivered").count() == 60
    assert len(receiver.requests) == failed + 60
    webhook.refresh_from_db()
    assert (webhook.failures_in_row, webhook.failing_since, webhook.resumes_at) == (0, None, None)


def test_a_share_grows_with_success_and_starts_again_after_failure() -> None:
    shares, endpoint = Shares(), Subscription().id
    seen = []
    for answer in [FINE] * 5 + [BAD, FINE, SLOW, FINE]:
        shares.began([endpoint])
        shares.ended([(endpoint, answer)])
        seen.append(shares.rooms()[endpoint])
    assert seen == [16, 32, 64, LARGEST_SHARE, LARGEST_SHARE, 1, 2, 2, 4]


def test_what_is_in_flight_takes_room() -> None:
    shares, endpoint = Shares(), Subscription().id
    shares.began([endpoint] * FIRST_SHARE)
    assert shares.rooms() == {endpoint: 0}
    shares.ended([(endpoint, FINE)])
    assert shares.rooms() == {endpoint: 2 * FIRST_SHARE - (FIRST_SHARE - 1)}


def test_of_very_many_endpoints_only_the_idle_are_forgotten() -> None:
    shares, busy = Shares(), Subscription().id
    shares.began([busy])
    for _ in range(MOST_KNOWN + 10):
        idle = Subscription().id
        shares.began([idle])
        shares.ended([(idle, FINE)])
    rooms = shares.rooms()
    assert len(rooms) == MOST_KNOWN + 1
    assert rooms[busy] == FIRST_SHARE - 1
    assert rooms[idle] == 2 * FIRST_SHARE


def test_first_attempts_go_before_retries(
    webhook: Subscription, agent: Agent, receiver: Receiver
) -> None:
    publish(agent, 20)
    Delivery.objects.update(attempts=1, next_attempt_at=timezone.now() - timedelta(hours=1))
    publish(agent, 3)
    leased = lease_due(5, rooms={}, share=5, now=timezone.now())
    assert sorted(one.attempts for one in leased) == [0, 0, 0, 1, 1]


def test_free_slots_are_dealt_out_evenly(account: Account, agent: Agent) -> None:
    for number in range(4):
        url = f"https://hooks.example.org/{number}"
        services.subscribe(account, url=url, events=[CALL_COMPLETED])
    publish(agent, 10)
    leased = lease_due(8, rooms={}, share=8, now=timezone.now())
    urls = [one.subscription.url for one in leased]
    assert [urls.count(url) for url in set(urls)] == [2, 2, 2, 2]


def test_a_rate_limit_is_kept(webhook: Subscription, agent: Agent, receiver: Receiver) -> None:
    Subscription.objects.update(requests_per_second=20)
    publish(agent, 30)
    began = time.time()
    deliveries().run(linger=2)
    times = sorted(request.at for request in receiver.requests)
    assert len(times) == 30
    assert 1.1 <= times[-1] - began <= 2.5
    for start in times:
        assert len([at for at in times if start <= at < start + 1]) <= 26


def test_hanging_endpoints_delay_no_other(
    account: Account, webhook: Subscription, agent: Agent, receiver: Receiver
) -> None:
    with receiving() as slow:
        slow.reply = hanging_until(receiver, has=60)
        for number in range(5):
            url = f"{slow.url}/{number}"
            services.subscribe(account, url=url, events=[CALL_COMPLETED])
        publish(agent, 60)
        began = time.time()
        deliveries().run(linger=0)
    assert len(receiver.requests) == 60
    assert max(request.at for request in receiver.requests) - began < 3


def test_one_of_twenty_that_hangs_leaves_the_others_as_they_were(
    account: Account, agent: Agent, receiver: Receiver
) -> None:
    with receiving() as hanging:
        hanging.reply = hanging_until(receiver, has=2 * 19 * 20)
        for number in range(19):
            url = f"{receiver.url}/{number}"
            services.subscribe(account, url=url, events=[CALL_COMPLETED])
        calm = waits_of_twenty(agent, receiver)
        services.subscribe(account, url=hanging.url, events=[CALL_COMPLETED])
        beside_it = waits_of_twenty(agent, receiver)
    assert (len(calm), len(beside_it)) == (19 * 20, 19 * 20)
    # Its answers take ten seconds if the others wait for them; else the two differ by chance.
    assert beside_it[-1] < 3 * calm[-1] + 0.5


def waits_of_twenty(agent: Agent, receiver: Receiver) -> list[float]:
    """How long each delivery of twenty events took to arrive, in order."""
    before = len(receiver.requests)
    publish(agent, 20)
    began = time.time()
    deliveries().run(linger=0)
    return sorted(request.at - began for request in receiver.requests[before:])


def test_a_backlog_of_one_is_no_delay_to_another(
    account: Account, agent: Agent, receiver: Receiver, webhook: Subscription
) -> None:
    with receiving() as busy:
        busy.reply = lambda received: Reply(delay=0.05)
        services.subscribe(account, url=busy.url, events=[CALL_COMPLETED], agent=agent)
        Subscription.objects.filter(id=webhook.id).update(status="paused")
        publish(agent, 600)
        Subscription.objects.filter(id=webhook.id).update(status="enabled")
        publish(agent, 1)
        began = time.time()
        deliveries().run(linger=0)
    assert len(receiver.requests) == 1
    assert receiver.requests[0].at - began < 1
    assert len(busy.requests) > 500


def test_the_circuit_opens_after_failures_in_a_row_only(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda received: Reply(500 if len(receiver.requests) % 2 else 200)
    publish(agent, 40)
    work(for_=timedelta(minutes=1))
    webhook.refresh_from_db()
    assert webhook.failures_in_row < CIRCUIT_OPENS_AFTER


def test_a_later_failure_does_not_cut_a_pause_short(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    def reply(received: object) -> Reply:
        is_first = len(receiver.requests) == 1
        return Reply(429, {"Retry-After": "600"}) if is_first else Reply(500, delay=0.2)

    receiver.reply = reply
    publish(agent, FIRST_SHARE)
    work(for_=timedelta(seconds=1))
    assert len(receiver.requests) == FIRST_SHARE
    work(for_=timedelta(minutes=9))
    assert len(receiver.requests) == FIRST_SHARE


def test_what_was_leased_before_an_endpoint_failed_is_judged_as_it_is_now(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    """A success among failures that were leased together must not leave the circuit open."""
    publish(agent, 20)
    leased = lease_due(20, rooms={}, share=20, now=timezone.now())
    posts = [Post(one, http.Outgoing("", {}, b""), timezone.now()) for one in leased]
    record_attempts([Sent(posts[0], BAD)], now=timezone.now())
    record_attempts([Sent(posts[1], FINE)], now=timezone.now())
    record_attempts([Sent(post, BAD) for post in posts[2:10]], now=timezone.now())
    webhook.refresh_from_db()
    assert webhook.failing_since is not None
    assert webhook.failures_in_row == 8
    record_attempts([Sent(post, FINE) for post in posts[10:12]], now=timezone.now())
    webhook.refresh_from_db()
    assert is_well(webhook)


def test_every_answer_of_a_batch_is_heard(webhook: Subscription, agent: Agent) -> None:
    publish(agent, 4)
    leased = lease_due(4, rooms={}, share=4, now=timezone.now())
    posts = [Post(one, http.Outgoing("", {}, b""), timezone.now()) for one in leased]
    asked = http.Answer("http_error", 0.1, status=429, headers={"Retry-After": "3600"})
    gone = http.Answer("http_error", 0.1, status=410)
    record_attempts([Sent(posts[0], asked), Sent(posts[1], FINE)], now=timezone.now())
    webhook.refresh_from_db()
    assert webhook.resumes_at
    assert webhook.resumes_at - timezone.now() > timedelta(minutes=59)
    record_attempts([Sent(posts[2], gone), Sent(posts[3], FINE)], now=timezone.now())
    webhook.refresh_from_db()
    assert (webhook.status, webhook.status_reason) == ("disabled", "gone")


def test_what_was_on_its_way_when_its_endpoint_was_disabled_is_held(
    webhook: Subscription, agent: Agent
) -> None:
    publish(agent, 3)
    leased = lease_due(3, rooms={}, share=3, now=timezone.now())
    posts = [Post(one, http.Outgoing("", {}, b""), timezone.now()) for one in leased]
    gone = http.Answer("http_error", 0.1, status=410)
    record_attempts([Sent(posts[0], gone)], now=timezone.now())
    record_attempts([Sent(posts[1], gone), Sent(posts[2], FINE)], now=timezone.now())
    assert sorted(Delivery.objects.values_list("status", "attempts", "next_attempt_at")) == [
        ("delivered", 1, None),
        ("held", 1, None),
        ("held", 1, None),
    ]


def test_two_failures_days_apart_are_no_days_of_failure(
    webhook: Subscription, agent: Agent, receiver: Receiver, work: Work
) -> None:
    long_ago = timezone.now() - timedelta(days=6)
    Subscription.objects.update(failing_since=long_ago, failures_in_row=1)
    receiver.reply = lambda received: Reply(500)
    publish(agent, 1)
    work(for_=timedelta(seconds=1))
    webhook.refresh_from_db()
    assert (webhook.status, webhook.failures_in_row) == ("enabled", 2)


def test_a_new_url_starts_with_a_clean_slate(webhook: Subscription) -> None:
    now = timezone.now()
    Subscription.objects.update(failing_since=now, failures_in_row=9, resumes_at=now)
    services.change_subscription(webhook, url="https://hooks.example.org/new")
    webhook.refresh_from_db()
    assert is_well(webhook)


def test_a_limited_endpoint_takes_no_more_than_its_share(
    webhook: Subscription, agent: Agent
) -> None:
    Subscription.objects.update(
        requests_per_second=1000, resumes_at=timezone.now() - timedelta(seconds=1)
    )
    publish(agent, 50)
    rooms = {webhook.id: 3}
    assert len(lease_due(384, rooms=rooms, share=8, now=timezone.now())) == 3


def test_what_was_in_flight_when_silence_was_asked_for_does_not_break_it(
    webhook: Subscription, agent: Agent
) -> None:
    publish(agent, 10)
    leased = lease_due(10, rooms={}, share=10, now=timezone.now())
    posts = [Post(one, http.Outgoing("", {}, b""), timezone.now()) for one in leased]
    asked = http.Answer("http_error", 0.1, status=429, headers={"Retry-After": "3600"})
    for batch in ([BAD] * 5, [asked], [BAD] * 3, [FINE]):
        sent = [Sent(posts.pop(), answer) for answer in batch]
        record_attempts(sent, now=timezone.now())
    webhook.refresh_from_db()
    assert webhook.resumes_at
    assert webhook.resumes_at - timezone.now() > timedelta(minutes=59)
