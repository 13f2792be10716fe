"""Calls a second through the worker to a carrier that answers in 20 ms, against a task for each.

The calls wait when the worker starts; counted is from the first that the carrier is asked for to
the last.
"""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from bench import straightforward
from bench.carrier import Carrier
from bench.processes import Process, running
from bench.rounds import Figures, medians, scaled
from bench.servers import empty_redis, peer_environment
from bench.sink import rate_of, receiving, wait_for_arrivals

CALLS = scaled(1_000)
# What one account has at a carrier at once is bounded; a busy install has several.
ACCOUNTS = 4
TASKS = "bench.peers.straightforward.tasks"


def measure() -> Figures:
    with receiving(Carrier) as carrier:
        found = medians(
            {
                "ours": lambda: _ours(carrier),
                "threads": lambda: _task_per_call(carrier, "--pool=threads", "--concurrency=16"),
                "prefork": lambda: _task_per_call(carrier, "--pool=prefork", "--concurrency=8"),
            }
        )
    ours, threads, prefork = (found[name]["rate"] for name in ("ours", "threads", "prefork"))
    return {
        "dial_per_second": round(ours),
        "dial_cpu_ms": round(found["ours"]["cpu_ms"], 2),
        "dial_task_per_call_threads_per_second": round(threads),
        "dial_task_per_call_threads_cpu_ms": round(found["threads"]["cpu_ms"], 2),
        "dial_task_per_call_prefork_per_second": round(prefork),
        "dial_task_per_call_prefork_cpu_ms": round(found["prefork"]["cpu_ms"], 2),
        "dial_vs_task_per_call": round(ours / threads, 2),
        "dial_vs_task_per_call_prefork": round(ours / prefork, 2),
    }


def _ours(carrier: str) -> Figures:
    empty_redis("REDIS_URL")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE calls_call CASCADE")
    make_waiting(CALLS)
    return dialled_by(
        Process(["manage.py", "worker"], environment={"DIALER_URL": carrier}), carrier
    )


def _task_per_call(carrier: str, *pool: str) -> Figures:
    empty_redis("PEER_REDIS_URL")
    straightforward.queue(CALLS)
    arguments = ["-m", "celery", "-A", TASKS, "worker", "--loglevel=WARNING", *pool]
    arguments += ["--without-gossip", "--without-mingle"]
    environment = {
        **peer_environment("straightforward"),
        "CARRIER_URL": carrier,
        "DJANGO_SETTINGS_MODULE": straightforward.SETTINGS,
    }
    return dialled_by(Process(arguments, environment=environment), carrier)


def dialled_by(worker: Process, carrier: str, *, calls: int = CALLS) -> Figures:
    """How many of so many waiting calls it has dialled a second, and the CPU that each takes."""
    with running(worker):
        arrived = wait_for_arrivals(carrier, count=1, process=worker)
        before = worker.cpu_seconds()
        rest = wait_for_arrivals(carrier, count=calls - len(arrived), process=worker)
        used = worker.cpu_seconds() - before
    return {"rate": rate_of(arrived + rest), "cpu_ms": used / max(len(rest), 1) * 1000}


def make_waiting(calls: int) -> None:
    """So many queued calls, of some accounts in turn."""
    from calls.models import Call, CallEvent
    from tests.factories import make_account, make_agent

    agents = []
    for _ in range(ACCOUNTS):
        account = make_account()
        account.max_concurrent_calls = 1_000_000
        account.save()
        agents.append(make_agent(account, carrier="dialer", prompt="You call Ada."))
    now = timezone.now()
    made = Call.objects.bulk_create(
        Call(
            account_id=agents[number % ACCOUNTS].account_id,
            agent=agents[number % ACCOUNTS],
            request_id="bench",
            mode="live",
            carrier="dialer",
            from_number="+14155550100",
            to_number=f"+1415555{2000 + number % 7000}",
            prompt="You call Ada.",
            ring_timeout=30,
            max_duration=600,
            created_at=now,
            due_at=now - timedelta(seconds=1),
        )
        for number in range(calls)
    )
    CallEvent.objects.bulk_create(CallEvent(call=call, type="queued", at=now) for call in made)
