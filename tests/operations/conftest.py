"""Calls that have ended, for those who count them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from agents.models import Agent
from calls.lifecycle import note
from calls.models import Call
from operations import incidents
from operations.models import AlertRule
from operations.rollups import roll_up
from tests.operations.watching import Watch

AT = datetime(2026, 3, 1, 14, 7, tzinfo=UTC)

EndCall = Callable[..., Call]


@pytest.fixture
def end_call(agent: Agent) -> EndCall:
    """A call as it stands after its end, `talked` seconds after it was answered at `at`."""

    def end(
        *, at: datetime = AT, status: str = "completed", talked: int | None = 60, **fields: Any
    ) -> Call:
        owner = fields.pop("agent", agent)
        ended_at = at + timedelta(seconds=talked or 0)
        values = {"mode": "live", "carrier": "simulated", "cost": Decimal(1), **fields}
        call = Call.objects.create(
            account=owner.account,
            agent=owner,
            to_number="+14155550123",
            from_number="+14155550100",
            ring_timeout=30,
            max_duration=600,
            status=status,
            created_at=at,
            started_at=None if talked is None else at,
            ended_at=ended_at,
            **values,
        )
        note(call, type=status, at=ended_at)
        return call

    return end


@pytest.fixture
def rolled_up() -> Callable[[], None]:
    def roll() -> None:
        assert roll_up()

    return roll


@pytest.fixture
def checked(rolled_up: Callable[[], None]) -> Callable[[], None]:
    """Have the figures added up and the rules checked; what they find counts at once."""

    def check() -> None:
        AlertRule.objects.update(holds_for=0)
        rolled_up()
        incidents.check(now=timezone.now())

    return check


@pytest.fixture
def watch(db: None, settings: Any) -> Iterator[Watch]:
    """Somebody is told by mail. The clock stands, and begins in the middle of five minutes."""
    settings.ALERT_EMAILS = ["ops@example.org"]
    with time_machine.travel(AT, tick=False) as clock:
        yield Watch(clock)
