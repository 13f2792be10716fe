"""`GET webhooks/{id}/health`."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from agents.models import Agent
from tests.factories import Api
from tests.receiver import Receiver, Reply
from tests.webhooks.telling import tell
from webhooks.figures import percentile
from webhooks.models import Subscription

Work = Callable[..., None]


def test_health_of_one_that_was_never_sent_to(api: Api, path: str) -> None:
    assert api.get(f"{path}/health").json() == {
        "attempts": 0,
        "successRate": None,
        "p50": None,
        "p95": None,
        "backlog": 0,
        "failingSince": None,
    }


def test_health_counts_the_attempts_of_a_day(
    api: Api,
    agent: Agent,
    webhook: Subscription,
    path: str,
    receiver: Receiver,
    work: Work,
    clock: time_machine.Traveller,
) -> None:
    tell(agent, 0)
    work(for_=timedelta(seconds=1))
    clock.shift(timedelta(hours=25))
    for number in range(1, 4):
        tell(agent, number)
    work(for_=timedelta(seconds=1))
    receiver.reply = lambda received: Reply(500)
    tell(agent, 4)
    work(for_=timedelta(seconds=1))

    seen = api.get(f"{path}/health").json()
    webhook.refresh_from_db()
    assert webhook.failing_since is not None
    assert seen["attempts"] == 4
    assert seen["successRate"] == 0.75
    assert 0 < seen["p50"] <= seen["p95"] < 5
    assert seen["backlog"] == 1
    assert seen["failingSince"] == webhook.failing_since.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [
        ([], None, None),
        ([3.0], 3.0, 3.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([1.0, 2.0, 3.0], 2.0, 3.0),
        ([float(n) for n in range(1, 101)], 50.0, 95.0),
    ],
)
def test_percentile(values: list[float], p50: float | None, p95: float | None) -> None:
    assert (percentile(values, 50), percentile(values, 95)) == (p50, p95)
