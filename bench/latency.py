"""How long a call waits on its way, at 20 calls a second, in both shapes.

From the answer that it was accepted until its carrier is asked, and from a carrier's report until
the webhook is told. The carrier, the webhook and the clock of all four moments are this machine's.
"""

import asyncio
import json
import time
from contextlib import AbstractContextManager

from bench.carrier import TalkingCarrier
from bench.clients import Connection, percentile
from bench.installs import Install, apart, embedded
from bench.rounds import Figures, scaled
from bench.servers import empty_redis
from bench.sink import receiving, report

CALLS_PER_SECOND = 20
CALLS = scaled(400)
WARM_UP = 20
SETTLE_SECONDS = 60.0


def measure() -> Figures:
    empty_redis("REDIS_URL")
    with receiving(TalkingCarrier) as base:
        production = _in_shape(apart(carrier=f"{base}/orders"), base)
        alone = _in_shape(embedded(carrier=f"{base}/orders"), base)
    return {**production, **{f"embedded_{name}": value for name, value in alone.items()}}


def _in_shape(booting: AbstractContextManager[Install], base: str) -> Figures:
    with booting as install:
        agent_id, key = install.make_caller(hook=f"{base}/hook")
        asyncio.run(_place(install.url, calls=WARM_UP, agent_id=agent_id, key=key))
        _moments(base, calls=WARM_UP)
        accepted = asyncio.run(_place(install.url, calls=CALLS, agent_id=agent_id, key=key))
        moments = _moments(base, calls=CALLS)
    asked = sorted(moments[f"asked {id}"] - at for id, at in accepted.items())
    told = sorted(moments[f"call.started {id}"] - moments[f"answered {id}"] for id in accepted)
    return {
        "accept_to_carrier_p50_ms": round(percentile(asked, 0.5) * 1000, 1),
        "accept_to_carrier_p99_ms": round(percentile(asked, 0.99) * 1000, 1),
        "report_to_webhook_p50_ms": round(percentile(told, 0.5) * 1000, 1),
        "report_to_webhook_p99_ms": round(percentile(told, 0.99) * 1000, 1),
    }


async def _place(url: str, *, calls: int, agent_id: str, key: str) -> dict[str, float]:
    """When each call was accepted, by its id; the next does not wait for the one before."""
    accepted: dict[str, float] = {}
    began = asyncio.get_running_loop().time()

    async def place(number: int) -> None:
        due = began + number / CALLS_PER_SECOND
        await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
        headers = {"X-API-Key": key}
        body = {"agentId": agent_id, "toNumber": f"+1415555{2000 + number}"}
        async with Connection(f"{url}/api/v1/calls/send", headers=headers) as connection:
            answer = await connection.post({**body, "params": {"name": "Ada"}})
        accepted[json.loads(answer)["callId"]] = time.time()

    await asyncio.gather(*(place(number) for number in range(calls)))
    return accepted


def _moments(base: str, *, calls: int) -> dict[str, float]:
    """What the carrier and the webhook noted, once every call's end was told."""
    moments: dict[str, float] = {}
    ends = time.monotonic() + SETTLE_SECONDS
    while sum(name.startswith("call.completed") for name in moments) < calls:
        if time.monotonic() > ends:
            raise RuntimeError(f"Not every call ended: {len(moments)} moments of {calls} calls")
        time.sleep(0.2)
        for name, at in report(base):
            moments.setdefault(name, at)
    return moments
