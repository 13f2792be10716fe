"""The processes and servers beside the database: do they answer, run, and agree on the time?"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

import redis
from celery import current_app
from django.conf import settings
from django.db import connection
from django.utils import timezone
from kombu.exceptions import KombuError
from kombu.exceptions import OperationalError as BrokerError

from core import heartbeat
from core.admin import seconds
from operations import rollups
from operations.doctor.findings import Finding, failed, first_line, ok, warning
from operations.running import is_running

CONNECT_SECONDS = 2
# How long a worker has to take a message that is sent to find out whether any does.
WORKER_SECONDS = 4.0
SWEEP = "sweep"
LATE_FIGURES = timedelta(minutes=2)
# Rows are ordered and leases end by the clock; a worker that is further off takes others' work.
SLIGHTLY_WRONG, WRONG = timedelta(seconds=1), timedelta(seconds=5)

IN_ONE_PROCESS = "None is needed: everything runs in one process."


def broker() -> Iterable[Finding]:
    if settings.BROKER_URL.startswith("memory:"):
        return [ok(IN_ONE_PROCESS)]
    try:
        with current_app.connection_for_write() as connected:
            connected.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
    except (OSError, KombuError, BrokerError, redis.RedisError) as error:
        return [
            failed(
                f"It does not answer: {first_line(error)}.",
                mend="Check BROKER_URL (or REDIS_URL), and that it runs. Calls wait meanwhile.",
            )
        ]
    return [ok(f"{_scheme(settings.BROKER_URL)} answers.")]


def cache_server() -> Iterable[Finding]:
    if not settings.REDIS_URL:
        return [ok(IN_ONE_PROCESS)]
    try:
        with _redis() as client:
            client.set("outdial:doctor", "1", ex=10)
            about = client.info()
    except redis.RedisError as error:
        return [
            failed(
                f"It does not answer: {first_line(error)}.",
                mend="Check REDIS_URL, and that it runs. Each process counts limits for itself "
                "meanwhile.",
            )
        ]
    return [*_evicting(about)] or [ok(f"Redis {about.get('redis_version', '')} answers.")]


def _evicting(about: dict[str, object]) -> Iterator[Finding]:
    policy = str(about.get("maxmemory_policy", ""))
    if about.get("maxmemory") and policy != "noeviction":
        yield warning(
            f"It throws keys away when it is full ({policy}): limits, and what waits for workers.",
            mend="Set maxmemory-policy noeviction.",
        )


def worker() -> Iterable[Finding]:
    if is_running(heartbeat.WORKER):
        return [ok(f"Heard {_ago(heartbeat.last_heard(heartbeat.WORKER))}.")]
    if settings.REDIS_URL and _answers_a_message():
        return [ok("It took a message that was just sent.")]
    return [
        failed(
            "None takes messages: calls and webhooks wait.",
            mend="Start one: make worker." if settings.CAN_RUN_APART else "Start it: make run.",
        )
    ]


def beat() -> Iterable[Finding]:
    if is_running(heartbeat.BEAT):
        return [ok(f"Heard {_ago(heartbeat.last_heard(heartbeat.BEAT))}.")]
    return [
        failed(
            "Not heard from for a minute: what is due later, retried or overdue waits.",
            mend="Start it: make beat." if settings.CAN_RUN_APART else "Start it: make run.",
        )
    ]


def _answers_a_message() -> bool:
    """Whether a worker takes a sweep, which says so and does no more than the beat's would."""
    current_app.send_task(SWEEP, expires=WORKER_SECONDS, retry=False)
    ends = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < ends:
        if heartbeat.last_heard(heartbeat.WORKER):
            return True
        time.sleep(0.05)
    return False


def figures() -> Iterable[Finding]:
    lag = rollups.lag(now=timezone.now())
    if lag is not None and lag < LATE_FIGURES:
        return [ok(f"Added up to {seconds(max(lag.total_seconds(), 0))} ago.")]
    since = f"for {seconds(lag.total_seconds())}" if lag else "yet"
    text = f"Calls and deliveries were not added up {since}: the dashboard shows less."
    return [warning(text, mend="Start worker and beat; the figures catch up by themselves.")]


def clock() -> Iterable[Finding]:
    clocks = {}
    if not settings.IS_SQLITE:
        clocks["the database's"] = _off(_time_of_database)
    if settings.REDIS_URL:
        with _redis() as client:
            clocks["Redis'"] = _off(partial(_time_of_redis, client))
    if not clocks:
        return [ok("There is no other to compare it with.")]
    return [*_disagreeing(clocks)] or [ok(f"It agrees with {' and '.join(clocks)}.")]


def _disagreeing(clocks: dict[str, timedelta]) -> Iterator[Finding]:
    for name, off in clocks.items():
        if abs(off) < SLIGHTLY_WRONG:
            continue
        says = failed if abs(off) > WRONG else warning
        side = "behind" if off > timedelta() else "ahead of"
        yield says(
            f"This machine's is {seconds(abs(off).total_seconds())} {side} {name}.",
            mend="Keep every machine's right with NTP (timedatectl set-ntp true).",
        )


def _off(ask: Callable[[], float]) -> timedelta:
    """How far the other clock is ahead, by as much as is sure: an answer takes its time."""
    ask()  # with a connection that is there already it takes less
    before = time.time()
    theirs = ask()
    slack = (time.time() - before) / 2
    off = theirs - (before + slack)
    return timedelta(seconds=max(off - slack, 0) + min(off + slack, 0))


def _time_of_database() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


def _time_of_redis(client: redis.Redis) -> float:
    whole, millionths = client.time()
    return float(whole) + float(millionths) / 1_000_000


def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS
    )


def _ago(heard: datetime | None) -> str:
    if heard is None:
        return "within the last minute"
    return f"{seconds(max((timezone.now() - heard).total_seconds(), 0))} ago"


def _scheme(url: str) -> str:
    return "RabbitMQ" if url.startswith("amqp") else "Redis"
