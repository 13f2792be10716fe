"""How long figures are kept, and that what is younger stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, ApiKey
from config.celery import prune
from core.observing import Answered
from operations import pruning, usage
from operations.models import (
    AccountAttemptRollup,
    AccountCallRollup,
    ApiAddress,
    ApiUsage,
    AttemptRollup,
    CallRollup,
)
from operations.rollups import rebuild
from operations.spans import Slot, Span
from tests.factories import Api
from tests.operations.conftest import EndCall
from webhooks.services import subscribe

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEPT = [(Span.FIVE_MINUTES, 2), (Span.HOUR, 100), (Span.DAY, 400)]


def keep(rollup: type[Any], *, span: Span, at: datetime, **whose: Any) -> None:
    rollup.objects.create(span=span, at=at, **whose)


def whose(rollup: type[Any], agent: Agent) -> dict[str, Any]:
    """What a row of it has beside its time and its counts."""
    if rollup is ApiUsage:
        return {"surface": "native", "took": 3}
    if rollup is AttemptRollup:
        hook, _ = subscribe(agent.account, url="https://hooks.example.org/", events=["call.failed"])
        return {"subscription": hook, "took": 3}
    return {"account": agent.account, "agent": agent, "outcome": "completed"}


@pytest.mark.parametrize("rollup", [ApiUsage, CallRollup, AttemptRollup])
@pytest.mark.parametrize(("span", "days"), KEPT)
def test_figures_are_kept_for_as_long_as_they_are_looked_back_to(
    agent: Agent, rollup: type[Any], span: Span, days: int
) -> None:
    told_apart = whose(rollup, agent)
    last = NOW - timedelta(days=days)
    for at in (last - MINUTE, last, last + MINUTE, NOW):
        keep(rollup, span=span, at=at, **told_apart)

    with time_machine.travel(NOW, tick=False):
        prune()

    kept = rollup.objects.order_by("at").values_list("at", flat=True)
    assert list(kept) == [last, last + MINUTE, NOW]


@pytest.mark.parametrize("rollup", [AccountCallRollup, AccountAttemptRollup])
@pytest.mark.parametrize(
    ("slot", "kept_for"),
    [
        (Slot.FIVE_MINUTES, timedelta(hours=2)),
        (Slot.HOUR, timedelta(days=2)),
        (Slot.QUARTER_DAY, timedelta(days=8)),
        (Slot.DAY, timedelta(days=32)),
    ],
)
def test_figures_by_account_are_kept_for_as_long_as_a_chart_looks_back(
    agent: Agent, rollup: type[Any], slot: Slot, kept_for: timedelta
) -> None:
    counted = {"outcome": "completed"} if rollup is AccountCallRollup else {"took": 3}
    last = NOW - kept_for
    for at in (last - MINUTE, last, NOW):
        rollup.objects.create(slot=slot, at=at, account=agent.account, **counted)

    with time_machine.travel(NOW, tick=False):
        prune()

    kept = rollup.objects.order_by("at").values_list("at", flat=True)
    assert list(kept) == [last, NOW]


def test_addresses_are_kept_for_90_days(db: None) -> None:
    last = NOW - timedelta(days=90)
    for at in (last - MINUTE, last):
        ApiAddress.objects.create(at=at, address="192.0.2.1", requests=1)

    with time_machine.travel(NOW, tick=False):
        prune()

    assert [row.at for row in ApiAddress.objects.all()] == [last]


def test_usage_of_90_days_is_still_told(api: Api, clock: time_machine.Traveller) -> None:
    key = ApiKey.objects.get()
    clock.move_to(NOW)
    answered = Answered(
        at=NOW - timedelta(days=90),
        key_id=key.id,
        surface="native",
        method="GET",
        route="/api/v1/account",
        status=200,
        seconds=0.01,
        address="192.0.2.1",
    )
    usage.record(answered)
    usage.record(replace(answered, at=NOW - timedelta(days=101)))
    usage.flush()

    prune()

    asked = {"from": "2026-03-03T12:00:00Z", "to": "2026-06-01T12:00:00Z"}
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    told = api.get(f"/api/v1/usage?{query}").json()["results"]
    assert [hour["requests"] for hour in told] == [1]
    assert ApiUsage.objects.filter(span=Span.HOUR).count() == 1


def test_a_long_backlog_goes_in_batches(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    for minutes in range(1, 9):
        at = NOW - timedelta(days=3, minutes=minutes)
        keep(ApiUsage, span=Span.FIVE_MINUTES, at=at, surface="native", took=3)

    with CaptureQueriesContext(connection) as queries:
        assert pruning.forget_old_figures(now=NOW) == 8

    deletes = [query["sql"] for query in queries if query["sql"].startswith("DELETE")]
    assert len(deletes) == 3
    assert not ApiUsage.objects.exists()


def test_counting_afresh_does_not_bring_them_back(
    end_call: EndCall, clock: time_machine.Traveller
) -> None:
    clock.move_to(NOW)
    for days in (0, 50, 150, 500):
        end_call(at=NOW - timedelta(days=days))

    rebuild()

    counts = {span: CallRollup.objects.filter(span=span).count() for span, _ in KEPT}
    assert counts == {Span.FIVE_MINUTES: 1, Span.HOUR: 2, Span.DAY: 3}
