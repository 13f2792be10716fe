"""Calls that have ended, for those who count them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agents.models import Agent
from calls.lifecycle import note
from calls.models import Call
from operations.rollups import roll_up

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
