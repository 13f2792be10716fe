"""How an endpoint did over time: slices of a day or a week, drawn on its page."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from tests.operator import Operator
from tests.receiver import Receiver
from tests.webhooks.telling import tell
from webhooks import figures
from webhooks.figures import history_of
from webhooks.models import Attempt, Delivery, Subscription
from webhooks.services import subscribe

NOW = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def subscription(agent: Agent) -> Subscription:
    return subscribe(agent.account, url="https://example.org/hook", events=["call.completed"])[0]


def attempted(agent: Agent, *, at: datetime, durations: list[float], failure: str = "") -> None:
    """A delivery made at `at`, and its attempts of so many seconds; all but the last failed."""
    delivery = tell(agent)
    Delivery.objects.filter(id=delivery.id).update(created_at=at, attempts=len(durations))
    for number, duration in enumerate(durations, start=1):
        is_last = number == len(durations)
        Attempt.objects.create(
            delivery=delivery,
            number=number,
            started_at=at,
            duration=duration,
            failure=failure if is_last else "timeout",
        )


def test_slices_hold_what_was_made_in_them(agent: Agent, subscription: Subscription) -> None:
    attempted(agent, at=NOW, durations=[0.2])
    attempted(agent, at=NOW - timedelta(minutes=20), durations=[0.1, 0.3])
    attempted(agent, at=NOW - timedelta(minutes=21), durations=[15.0], failure="timeout")
    attempted(agent, at=NOW - timedelta(days=2), durations=[1.0])

    slices = history_of(subscription, step=HOUR, count=24, now=NOW)

    assert len(slices) == 24
    assert [one.since.hour for one in slices[-2:]] == [11, 12]
    last, before = slices[-1], slices[-2]
    assert (last.attempts, last.success_rate, last.p50, last.p95) == (3, 2 / 3, 0.2, 0.3)
    assert (before.attempts, before.success_rate) == (1, 0.0)
    assert slices[0].since == datetime(2026, 3, 9, 13, tzinfo=UTC)
    assert (slices[0].attempts, slices[0].success_rate, slices[0].p50) == (0, None, None)


def test_the_newest_of_each_slice_are_read_and_no_others(
    agent: Agent, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "DELIVERIES_OF_A_SLICE", 2)
    for minute in (1, 2, 3):
        attempted(agent, at=NOW - timedelta(minutes=minute), durations=[float(minute)])
    other, _ = subscribe(agent.account, url="https://example.org/2", events=["call.failed"])

    with CaptureQueriesContext(connection) as queries:
        slices = history_of(subscription, step=HOUR, count=24, now=NOW)

    assert (slices[-1].attempts, slices[-1].p95) == (2, 2.0)
    assert len(queries) == 1
    assert not any(one.attempts for one in history_of(other, step=HOUR, count=24, now=NOW))


def charts(page: str) -> list[Any]:
    return [json.loads(unescape(text)) for text in re.findall(r'data-value="([^"]*)"', page)]


def test_webhook_page_draws_them(
    agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    operator = Operator()
    stored, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    path = f"webhooks/subscription/{stored.id}/change/"
    assert "No attempt was made in this time." in operator.read(path)
    tell(agent)
    work()

    day, week = operator.read(path), operator.read(path, range="week")
    unknown = operator.read(path, range="<b>")

    success, latency = charts(day)
    assert [one["label"] for one in success["datasets"]] == ["Succeeded", "Failed"]
    assert success["datasets"][0]["data"][-1] == 100.0
    assert len(latency["labels"]) == 24
    assert latency["datasets"][0]["data"][-1] > 0
    assert len(charts(week)[0]["labels"]) == 28
    assert len(charts(unknown)[0]["labels"]) == 24


def test_webhook_page_asks_no_more_for_more_deliveries(
    agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    operator = Operator()
    stored, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    path = f"webhooks/subscription/{stored.id}/change/"
    operator.read(path)
    counts = []
    for _ in range(2):
        for number in range(4):
            tell(agent, number)
        work()
        with CaptureQueriesContext(connection) as queries:
            operator.read(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 13
