"""When to try again: schedules are data, jitter keeps a crowd of retries apart."""

import random
from collections.abc import Sequence
from datetime import timedelta

JITTER = 0.2


def jittered(delay: timedelta) -> timedelta:
    """`delay` ±20 %."""
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, hides nothing


def delay_after(attempts: int, *, schedule: Sequence[timedelta]) -> timedelta | None:
    """The jittered wait after `attempts` tries, or None when the schedule is used up.

    `schedule[0]` is the wait before the first try, so `schedule[n]` follows the n-th.
    """
    if attempts >= len(schedule):
        return None
    return jittered(schedule[attempts])
