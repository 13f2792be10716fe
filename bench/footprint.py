"""What an install takes: memory before and after many calls, time to start, bytes a call.

Memory of a process and those that it has forked, as its share: what several of them share counts
once in all.
"""

import os
import time
import urllib.request

from django.db import connection

from bench.carrier import TalkingCarrier
from bench.clients import post_times
from bench.installs import Install, apart, embedded
from bench.rounds import Figures, scaled
from bench.servers import empty_redis
from bench.sink import receiving, report

# Each is accepted, dialled, answered and ended, and two webhooks are told of it.
CALLS = int(os.environ.get("BENCH_CALLS") or scaled(100_000))
# Before memory is read for the first time.
WARM_UP = scaled(10_000)
AT_ONCE = scaled(2_000)
# Before memory is read: what was in flight is done with. The web server's allocator gives back what
# connections took, seconds after they have closed, but only while it has more to do; so it is asked
# some thousand times meanwhile. How much that is, `memory_busy_mb` says: read before.
REST_SECONDS = 20.0
# How often the database is tidied up: a server may have been told not to do so by itself.
TIDY_EVERY = 10_000
PATIENCE_SECONDS = 300.0


def measure() -> Figures:
    empty_redis("REDIS_URL")
    with receiving(TalkingCarrier) as base:
        with apart(carrier=f"{base}/orders") as install:
            found = _of_calls(install, base)
        with embedded(carrier=f"{base}/orders") as alone:
            time.sleep(2)
            found |= {
                "embedded_start_seconds": round(alone.start_seconds, 1),
                "embedded_memory_idle_mb": round(sum(alone.memory_mb().values()), 1),
            }
    return found


def _of_calls(install: Install, base: str) -> Figures:
    agent_id, key = install.make_caller(hook=f"{base}/hook")
    idle = _at_rest(install)
    _run(install, base, calls=WARM_UP, agent_id=agent_id, key=key)
    warm, bytes_before = _at_rest(install), _database_bytes()
    began = time.monotonic()
    _run(install, base, calls=CALLS, agent_id=agent_id, key=key)
    seconds = time.monotonic() - began
    busy, after = install.memory_mb(), _at_rest(install)
    return {
        "start_seconds": round(install.start_seconds, 1),
        **{f"memory_idle_mb_{name}": round(mb, 1) for name, mb in idle.items()},
        **{f"memory_warm_mb_{name}": round(mb, 1) for name, mb in warm.items()},
        **{f"memory_after_mb_{name}": round(mb, 1) for name, mb in after.items()},
        "memory_busy_mb": round(sum(busy.values()), 1),
        "memory_growth_calls": CALLS,
        "memory_growth_mb": round(sum(after.values()) - sum(warm.values()), 1),
        "database_bytes_per_call": round((_database_bytes() - bytes_before) / CALLS),
        "whole_calls_per_second": round(CALLS / seconds, 1),
    }


def _at_rest(install: Install) -> dict[str, float]:
    ends = time.monotonic() + REST_SECONDS
    while time.monotonic() < ends:
        with urllib.request.urlopen(f"{install.url}/healthz", timeout=60):  # noqa: S310 - our own
            time.sleep(0.01)
    return install.memory_mb()


def _run(install: Install, base: str, *, calls: int, agent_id: str, key: str) -> None:
    """Place them, some at once, and see each to its end."""
    for begun in range(0, calls, AT_ONCE):
        some = min(AT_ONCE, calls - begun)
        post_times(
            some,
            f"{install.url}/api/v1/calls/send",
            body=lambda number: {
                "agentId": agent_id,
                "toNumber": f"+1415555{2000 + number}",
                "params": {"name": "Ada"},
            },
            headers={"X-API-Key": key},
        )
        _wait_for_ends(base, calls=some)
        if (begun + some) % TIDY_EVERY == 0:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")


def _wait_for_ends(base: str, *, calls: int) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    ended: set[str] = set()
    while len(ended) < calls:
        if time.monotonic() > ends:
            raise RuntimeError(f"{len(ended)} of {calls} calls ended")
        time.sleep(0.2)
        ended |= {name for name, _ in report(base) if name.startswith("call.completed")}


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
