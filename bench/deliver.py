"""Webhooks a second: our engine with all its rows, against bare posts without a database."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from django.db import connection, transaction

from bench.sink import receiving, report
from tests.factories import make_account, make_agent
from webhooks import services
from webhooks.delivery import SLOTS, deliveries
from webhooks.events import CALL_COMPLETED
from webhooks.models import Delivery, Subscription

EVENTS = 2_000
ROUNDS = 5
BODY = b"x" * 400
ENDPOINTS = 20


def measure() -> dict[str, float]:
    """The figures of delivery, medians of interleaved rounds."""
    with receiving() as base:
        ours: list[dict[str, float]] = []
        bare: list[float] = []
        for _ in range(ROUNDS):
            ours.append(_deliver(base))
            bare.append(_post_bare(f"{base}/bare"))
        calm, hanging = _healthy_p99(base, hanging=0), _healthy_p99(base, hanging=2)
    rate = statistics.median(one["rate"] for one in ours)
    return {
        "deliveries_per_second": round(rate),
        "cpu_ms_per_delivery": round(statistics.median(one["cpu_ms"] for one in ours), 2),
        "queries_per_delivery": round(statistics.median(one["queries"] for one in ours), 3),
        "bare_posts_per_second": round(statistics.median(bare)),
        "deliver_vs_bare": round(rate / statistics.median(bare), 2),
        "hanging_p99_ratio": round(hanging / calm, 2),
    }


def _deliver(base: str) -> dict[str, float]:
    """Publish to one endpoint, then drain; the drain is what counts."""
    account = make_account()
    agent = make_agent(account)
    services.subscribe(account, url=f"{base}/one", events=[CALL_COMPLETED])
    with transaction.atomic():
        for number in range(EVENTS):
            services.publish(CALL_COMPLETED, agent=agent, data={"callId": f"call_{number}"})
    with _counting() as queries:
        cpu, began = time.process_time(), time.perf_counter()
        deliveries().run(linger=0)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    sent = Delivery.objects.filter(subscription__account=account, status="delivered").count()
    if sent != EVENTS:
        raise RuntimeError(f"{sent} of {EVENTS} delivered")
    return {
        "rate": EVENTS / seconds,
        "cpu_ms": cpu / EVENTS * 1000,
        "queries": len(queries) / EVENTS,
    }


def _post_bare(url: str) -> float:
    """The floor: kept-alive posts, as many at once as we have slots, and nothing written."""

    async def run() -> float:
        slots = asyncio.Semaphore(SLOTS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=SLOTS)) as session:

            async def post() -> None:
                async with slots, session.post(url, data=BODY) as response:
                    await response.read()

            began = time.perf_counter()
            await asyncio.gather(*(post() for _ in range(EVENTS)))
            return EVENTS / (time.perf_counter() - began)

    return asyncio.run(run())


def _healthy_p99(base: str, *, hanging: int) -> float:
    """Seconds from publish to receipt, p99 over the endpoints that answer."""
    account = make_account()
    agent = make_agent(account)
    for number in range(ENDPOINTS):
        path = "hang" if number < hanging else "fine"
        url = f"{base}/{path}/{account.id.hex}/{number}"
        services.subscribe(account, url=url, events=[CALL_COMPLETED])
    report(base)
    began = time.time()
    with transaction.atomic():
        for number in range(EVENTS // ENDPOINTS):
            services.publish(CALL_COMPLETED, agent=agent, data={"callId": f"call_{number}"})
    published = time.time()
    deliveries().run(linger=0)
    Subscription.objects.filter(account=account).update(status="paused")
    waits = sorted(at - published for path, at in report(base) if path.startswith("/fine"))
    if published - began > 60 or not waits:
        raise RuntimeError("nothing arrived")
    return float(waits[int(len(waits) * 0.99)])


@contextmanager
def _counting() -> Iterator[list[str]]:
    queries: list[str] = []

    def count(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield queries
