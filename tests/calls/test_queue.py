"""Who is dialled when more calls wait than may be under way."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.models import Account, Agent
from calls import lanes, lifecycle
from calls.carriers.base import Accepted, CarrierError, DialOrder
from calls.dialing import claim_asks, dialing
from calls.models import Call, Dial, DialStatus
from calls.shares import ACCOUNT_SHARE, CARRIER_SHARE, SLOTS, Shares
from tests.calls.story import StoryCarrier, says
from tests.factories import NUMBER, Api, make_account, make_agent
from webhooks.models import Event

Work = Callable[..., None]


def queue_calls(
    agent: Agent, *, count: int, mode: str = "live", since: datetime | None = None
) -> list[Call]:
    """Calls as `place_call` leaves them, a second apart; the first is due since `since`."""
    since = since or timezone.now() - timedelta(hours=5)
    return Call.objects.bulk_create(
        Call(
            account_id=agent.account_id,
            agent=agent,
            request_id="r",
            mode=mode,
            carrier=agent.carrier if mode == "live" else "simulated",
            to_number=NUMBER,
            from_number=NUMBER,
            ring_timeout=30,
            max_duration=60,
            created_at=since + timedelta(seconds=number),
            due_at=since + timedelta(seconds=number),
            expires_at=timezone.now() + timedelta(days=1),
        )
        for number in range(count)
    )


def claimed(limit: int = SLOTS, *, shares: Shares | None = None) -> list[Any]:
    jobs = claim_asks(limit, shares=shares or Shares())
    return [job.order.call_id for job in jobs]


def limit(row: Account | Agent, **limits: int | None) -> None:
    for name, value in limits.items():
        setattr(row, name, value)
    row.save()


def end_all(status: str = "completed") -> None:
    now = timezone.now()
    Dial.objects.filter(ended_at=None).update(ended_at=now, status=status, asked_at=now)
    Call.objects.active().update(ended_at=now, status=status)


def test_an_account_has_so_many_under_way_and_no_more(account: Account, agent: Agent) -> None:
    limit(account, max_concurrent_calls=5)
    calls = queue_calls(agent, count=12)
    ids = [call.id for call in calls]
    assert claimed() == ids[:5]
    assert claimed() == []
    end_all()
    assert claimed() == ids[5:10]


def test_test_calls_take_no_live_calls_place(account: Account, agent: Agent) -> None:
    limit(account, max_concurrent_calls=2)
    queue_calls(agent, count=5, mode="test")
    live = queue_calls(agent, count=5)
    assert len(set(claimed()) & {call.id for call in live}) == 2
    assert Call.objects.active().filter(mode="test").count() == 2


def test_an_agent_at_its_limit_stops_nobody_else(account: Account, agent: Agent) -> None:
    limit(agent, max_concurrent_calls=1)
    first = queue_calls(agent, count=50)
    other = queue_calls(make_agent(account), count=3, since=timezone.now() - timedelta(minutes=1))
    assert claimed() == [first[0].id, *(call.id for call in other)]


def test_a_carrier_at_its_limit_stops_nobody_else(
    account: Account, agent: Agent, carrier: StoryCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.CARRIER_LIMITS, "story", (2, None))
    queue_calls(make_agent(account, carrier="story"), count=10)
    free = queue_calls(agent, count=3, since=timezone.now() - timedelta(minutes=1))
    ids = claimed()
    assert len(ids) == 5
    assert {call.id for call in free} < set(ids)


@pytest.mark.parametrize("whose", ["account", "agent", "carrier"])
def test_so_many_start_in_a_second(
    account: Account, agent: Agent, monkeypatch: pytest.MonkeyPatch, clock: Any, whose: str
) -> None:
    if whose == "carrier":
        monkeypatch.setitem(settings.CARRIER_LIMITS, "simulated", (None, 3))
    else:
        limit(account if whose == "account" else agent, calls_per_second=3)
    queue_calls(agent, count=10)
    assert len(claimed()) == 3
    clock.shift(timedelta(seconds=0.8))
    assert len(claimed()) == 0
    clock.shift(timedelta(seconds=0.3))
    assert len(claimed()) == 3


def test_within_an_account_calls_go_in_the_order_in_which_they_came(
    account: Account, agent: Agent
) -> None:
    other = make_agent(account)
    since = timezone.now() - timedelta(hours=1)
    mixed = [
        call
        for number in range(10)
        for call in queue_calls(
            (agent, other)[number % 2], count=1, since=since + timedelta(minutes=number)
        )
    ]
    limit(account, max_concurrent_calls=7)
    assert claimed() == [call.id for call in mixed[:7]]


def test_whoever_has_the_fewest_under_way_is_next(agent: Agent, stranger: Account) -> None:
    queue_calls(agent, count=100)
    other = queue_calls(make_agent(stranger), count=4, since=timezone.now() - timedelta(seconds=9))
    ids = claimed(8)
    assert Counter(id in {call.id for call in other} for id in ids) == {True: 4, False: 4}


def test_one_slow_account_leaves_slots_to_the_others(agent: Agent, stranger: Account) -> None:
    shares = Shares()
    for _ in range(ACCOUNT_SHARE):
        shares.take("simulated", agent.account_id)
    queue_calls(agent, count=5)
    other = queue_calls(make_agent(stranger), count=5)
    assert claimed(SLOTS - ACCOUNT_SHARE, shares=shares) == [call.id for call in other]


def test_a_slow_carrier_leaves_slots_to_the_others(
    agent: Agent, carrier: StoryCarrier, stranger: Account
) -> None:
    shares = Shares()
    for number in range(CARRIER_SHARE):
        shares.take("story", (agent.account_id, stranger.id)[number % 2])
    queue_calls(make_agent(agent.account, carrier="story"), count=5)
    other = queue_calls(agent, count=2, since=timezone.now() - timedelta(minutes=1))
    shares.free("story", agent.account_id)
    assert len(claimed(16, shares=shares)) == 3
    assert Call.objects.active().filter(id__in=[call.id for call in other]).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_hanging_carrier_delays_nobody_elses_calls(
    account: Account, stranger: Account, carrier: StoryCarrier
) -> None:
    """More calls than slots at a carrier that takes its time; another's go out meanwhile."""
    let_go, asked = threading.Event(), threading.Event()

    def hang(order: DialOrder) -> Accepted:
        asked.set()
        let_go.wait(10)
        return carrier.accept(order)

    carrier.on_dial = hang
    carrier.on_fetch = says((0, DialStatus.DIALING))
    limit(account, max_concurrent_calls=500)
    queue_calls(make_agent(account, carrier="story"), count=SLOTS * 2)
    queue_calls(make_agent(stranger), count=5, since=timezone.now())

    def watch() -> int:
        asked.wait(10)
        try:
            for _ in range(100):
                begun = Dial.objects.filter(call__account=stranger).exclude(carrier_id="").count()
                if begun == 5:
                    return begun
                threading.Event().wait(0.05)
            return begun
        finally:
            let_go.set()
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        seen = threads.submit(watch)
        dialing().run(linger=0)
        assert seen.result() == 5


def test_a_long_queue_of_one_delays_no_other(account: Account, stranger: Account) -> None:
    """10,000 calls of one account and 10 of another, five at once each."""
    for one in (account, stranger):
        limit(one, max_concurrent_calls=5)
    agent, other = make_agent(account), make_agent(stranger)
    first = [call.id for call in queue_calls(agent, count=10_000)]
    just_now = timezone.now() - timedelta(seconds=20)
    second = [call.id for call in queue_calls(other, count=10, since=just_now)]
    dialled: list[Any] = []
    for round in range(2):
        ids = claimed()
        dialled += ids
        assert sorted(ids) == sorted(
            first[5 * round : 5 * round + 5] + second[5 * round : 5 * round + 5]
        )
        end_all()
    assert [id for id in dialled if id in second] == second
    assert [id for id in dialled if id not in second] == first[:10]


def test_a_waiting_call_shows_its_place(api: Api, account: Account, agent: Agent) -> None:
    limit(account, max_concurrent_calls=2)
    calls = queue_calls(agent, count=7)
    seen = api.get(f"/api/v1/calls/{calls[6].native_id}").json()
    # Six before it, two at a time, a minute each while nothing better is known.
    assert seen["queue"] == {"position": 7, "expectedWait": 180}
    now = timezone.now()
    done = queue_calls(agent, count=2, mode="live", since=now - timedelta(days=2))
    for call in done:
        call.status, call.started_at = "completed", now - timedelta(seconds=20)
        call.ended_at, call.due_at = now, None
        call.save()
    seen = api.get(f"/api/v1/calls/{calls[6].native_id}").json()
    assert seen["queue"] == {"position": 7, "expectedWait": 60}


def test_a_call_under_way_has_no_place(api: Api, agent: Agent, work: Work) -> None:
    [call] = queue_calls(agent, count=1)
    work(for_=timedelta(seconds=1))
    assert api.get(f"/api/v1/calls/{call.native_id}").json()["queue"] is None


def test_over_the_limit_a_call_waits_and_then_is_dialled(
    api: Api, account: Account, agent: Agent, work: Work
) -> None:
    limit(account, max_concurrent_calls=1)
    for _ in range(3):
        answer = api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
        assert (answer.status_code, answer.json()["callStatus"]) == (201, "queued")
    work(for_=timedelta(seconds=30))
    assert set(Call.objects.values_list("status", flat=True)) == {"completed"}
    spans = sorted(Dial.objects.values_list("asked_at", "ended_at"))
    for (_, ended), (asked, _) in pairwise(spans):
        assert asked
        assert ended
        assert asked >= ended


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_keep_to_the_limits() -> None:
    account = make_account()
    limit(account, max_concurrent_calls=7)
    calls = queue_calls(make_agent(account), count=60)

    def claim(_: object) -> list[Any]:
        try:
            return claimed(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        ids = [id for part in threads.map(claim, range(16)) for id in part]
    assert sorted(ids) == sorted(call.id for call in calls[:7])


def test_the_claim_asks_few_questions(
    account: Account, agent: Agent, django_assert_max_num_queries: Any
) -> None:
    queue_calls(agent, count=200)
    for number in range(5):
        queue_calls(make_agent(make_account(name=f"Shop {number}")), count=20)
    with django_assert_max_num_queries(9 if connection.vendor == "postgresql" else 30):
        assert len(claimed(CARRIER_SHARE)) == CARRIER_SHARE


def test_nothing_waits(db: None) -> None:
    assert lanes.survey(now=timezone.now()).lanes == []
    assert claimed() == []


def test_refused_asks_count_and_wait_their_second(
    account: Account, agent: Agent, carrier: StoryCarrier, clock: Any
) -> None:
    """Whoever says "too many" is asked no more often for it."""

    def refuse(order: DialOrder) -> Accepted:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    carrier.on_dial = refuse
    story = make_agent(account, carrier="story")
    limit(story, calls_per_second=1)
    queue_calls(story, count=12)
    began = timezone.now()
    for _ in range(100):
        dialing().run(linger=0)
        clock.shift(timedelta(seconds=0.1))
    seconds = (timezone.now() - began).total_seconds()
    assert seconds / 2 <= len(carrier.dialled) <= seconds + 1


@pytest.mark.django_db(transaction=True)
def test_ends_of_many_accounts_at_once_do_not_block_each_other() -> None:
    accounts = [make_account(name=f"Shop {number}") for number in range(4)]
    since = timezone.now() - timedelta(hours=30)
    for account in accounts:
        queue_calls(make_agent(account), count=15, since=since)
    Call.objects.update(expires_at=None)

    def expire(_: object) -> None:
        try:
            lifecycle.expire_due(now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(expire, range(8)))
    assert set(Call.objects.values_list("status", "reason")) == {("canceled", "expired")}
    assert Event.objects.count() == 60
