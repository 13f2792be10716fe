"""Webhooks a second: our engine with all its rows, libraries from PyPI, and bare posts.

The events are published before the worker starts; what counts is how fast they are received.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import aiohttp
from django.db import connection, transaction
from django.test import override_settings

from bench.clients import percentile
from bench.environments import Peer
from bench.processes import Process, running
from bench.rounds import IS_QUICK, Figures, medians, scaled
from bench.servers import empty_redis
from bench.sink import rate_of, receiving, report, wait_for_arrivals
from tests.factories import make_account, make_agent
from webhooks import services
from webhooks.delivery import SLOTS, deliveries
from webhooks.events import CALL_COMPLETED
from webhooks.models import Delivery, Subscription

EVENTS = scaled(2_000)
# Slower by far: as many take as long.
DJANGO_WEBHOOK_EVENTS, OUTBOUND_EVENTS = scaled(400), scaled(200)
MANY = 100
BODY = b"x" * 400
ENDPOINTS = 20
HANGING_ROUNDS = 1 if IS_QUICK else 3


def measure() -> Figures:
    """The figures of delivery, medians of interleaved rounds."""
    peers = [Peer("django_webhook"), Peer("django_outbound_webhooks")]
    for peer in peers:
        peer.install()
    webhook, outbound = peers
    with receiving() as base:
        found = medians(
            {
                "ours": lambda: _deliver(base, endpoints=1),
                "webhook": lambda: _django_webhook(webhook, base, endpoints=1),
                "outbound": lambda: _outbound_webhooks(outbound, base, endpoints=1),
                "bare": lambda: _post_bare(f"{base}/bare"),
                "ours, 100": lambda: _deliver(base, endpoints=MANY),
                "webhook, 100": lambda: _django_webhook(webhook, base, endpoints=MANY),
                "outbound, 100": lambda: _outbound_webhooks(outbound, base, endpoints=MANY),
            }
        )
        hanging = medians(
            {
                "none": lambda: _healthy_p99(base, hanging=0),
                "some": lambda: _healthy_p99(base, hanging=2),
            },
            rounds=HANGING_ROUNDS,
        )
    rates = {name: figures["rate"] for name, figures in found.items()}
    return {
        "deliveries_per_second": round(rates["ours"]),
        "cpu_ms_per_delivery": round(found["ours"]["cpu_ms"], 2),
        "queries_per_delivery": round(found["ours"]["queries"], 3),
        "bare_posts_per_second": round(rates["bare"]),
        "django_webhook_per_second": round(rates["webhook"]),
        "django_outbound_webhooks_per_second": round(rates["outbound"]),
        "deliver_vs_bare": round(rates["ours"] / rates["bare"], 2),
        "deliver_vs_django_webhook": round(rates["ours"] / rates["webhook"], 1),
        "deliver_vs_django_outbound_webhooks": round(rates["ours"] / rates["outbound"], 1),
        "deliveries_per_second_100_endpoints": round(rates["ours, 100"]),
        "deliver_vs_django_webhook_100_endpoints": round(
            rates["ours, 100"] / rates["webhook, 100"], 1
        ),
        "deliver_vs_django_outbound_webhooks_100_endpoints": round(
            rates["ours, 100"] / rates["outbound, 100"], 1
        ),
        "hanging_p99_ratio": round(hanging["some"]["p99"] / hanging["none"]["p99"], 2),
    }


def _django_webhook(peer: Peer, base: str, *, endpoints: int) -> Figures:
    """One task a delivery, on threads: quicker there than on processes."""
    empty_redis("PEER_REDIS_URL")
    events = max(DJANGO_WEBHOOK_EVENTS // endpoints, 1)
    peer.run("run.py", f"{base}/peer", str(endpoints), str(events))
    pool = ["--pool=threads", "--concurrency=8", "--without-gossip", "--without-mingle"]
    worker = peer.start("-m", "celery", "-A", "hooks.celery", "worker", *pool)
    return _received(base, [worker], count=events * endpoints)


def _outbound_webhooks(peer: Peer, base: str, *, endpoints: int) -> Figures:
    """Two relays, one for each core of a small machine; each delivers one by one."""
    events = max(OUTBOUND_EVENTS // endpoints, 1)
    peer.run("run.py", f"{base}/peer", str(endpoints), str(events))
    relays = [
        peer.start("manage.py", "deliver_events", "--worker-id", f"relay-{number}")
        for number in range(2)
    ]
    return _received(base, relays, count=events * endpoints)


def _received(base: str, workers: list[Process], *, count: int) -> Figures:
    report(base)
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(running(worker))
        arrived = wait_for_arrivals(base, count=count, process=workers[0])
    return {"rate": rate_of(arrived)}


def _deliver(base: str, *, endpoints: int) -> Figures:
    """Publish, then drain; the drain is what counts."""
    with override_settings(MAX_WEBHOOKS_PER_ACCOUNT=MANY):
        account = make_account()
        agent = make_agent(account)
        for number in range(endpoints):
            services.subscribe(account, url=f"{base}/ours/{number}", events=[CALL_COMPLETED])
    events = max(EVENTS // endpoints, 1)
    with transaction.atomic():
        for number in range(events):
            services.publish(CALL_COMPLETED, agent=agent, data={"callId": f"call_{number}"})
    with _counting() as queries:
        cpu, began = time.process_time(), time.perf_counter()
        deliveries().run(linger=0)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    sent = Delivery.objects.filter(subscription__account=account, status="delivered").count()
    if sent != events * endpoints:
        raise RuntimeError(f"{sent} of {events * endpoints} delivered")
    return {"rate": sent / seconds, "cpu_ms": cpu / sent * 1000, "queries": len(queries) / sent}


def _post_bare(url: str) -> Figures:
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

    return {"rate": asyncio.run(run())}


def _healthy_p99(base: str, *, hanging: int) -> Figures:
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
    return {"p99": percentile(waits, 0.99)}


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
