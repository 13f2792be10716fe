"""Calls accepted and dialled a second with a short history and a long one, as many as can be.

What `bench.accept` and `bench.dial` measure of an empty install, of the two databases that
`bench.growth` loads. What a round adds is taken away before the next one.

`python -m bench.growth_of_rates caller`, `… waiting` and `… as-loaded` are what this runs for
itself.
"""

import json
import os
import sys
from contextlib import ExitStack
from functools import partial

from bench.accept import Contestant, make_caller
from bench.carrier import Carrier
from bench.dial import CALLS, dialled_by, make_waiting
from bench.processes import Process, run_in
from bench.rounds import Figures, medians
from bench.servers import empty_redis, product_web
from bench.sink import receiving


def measure(small: str, large: str) -> Figures:
    """Of two databases, by URL: their rates, and how many times as long the second one takes."""
    urls = {"small": small, "large": large}
    with ExitStack() as stack:
        accepting = {name: _accepting(stack, url) for name, url in urls.items()}
        for one in accepting.values():
            one.measure()  # connections are made, caches filled
        accepted = medians(
            {name: partial(_accepted, accepting[name], url) for name, url in urls.items()}
        )
    with receiving(Carrier) as carrier:
        dialled = medians({name: partial(_dialled, url, carrier) for name, url in urls.items()})
    return {**_compared("accept", accepted), **_compared("dial", dialled)}


def _compared(what: str, found: dict[str, Figures]) -> Figures:
    small, large = found["small"]["rate"], found["large"]["rate"]
    return {
        f"growth_{what}": round(small / large, 2),
        f"growth_{what}_small_per_second": round(small),
        f"growth_{what}_large_per_second": round(large),
    }


def _accepting(stack: ExitStack, url: str) -> Contestant:
    agent_id, key = json.loads(run_in(url, __name__, "caller"))
    # Both on the same core, in turn.
    server = stack.enter_context(product_web({"DATABASE_URL": url, "WEB_PINNED": "false"}))
    server.process.keep_to_core(min(os.sched_getaffinity(0)))
    return Contestant(
        server=server, path="/api/v1/calls/send", headers={"X-API-Key": key}, agent_id=agent_id
    )


def _accepted(contestant: Contestant, url: str) -> Figures:
    run_in(url, __name__, "as-loaded")
    return contestant.measure()


def _dialled(url: str, carrier: str) -> Figures:
    empty_redis("REDIS_URL")
    run_in(url, __name__, "as-loaded")
    run_in(url, __name__, "waiting")
    environment = {"DATABASE_URL": url, "DIALER_URL": carrier}
    return dialled_by(Process(["manage.py", "worker"], environment=environment), carrier)


# In a process that knows one of the two databases -------------------------------------------------


def make_as_loaded() -> None:
    """Have no call there that rounds before this one have added, and none of their dead rows."""
    from django.db import connection

    from bench.load import NAME_START
    from calls.models import Call

    Call.objects.exclude(account__name__startswith=NAME_START).delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")


def leave_waiting() -> None:
    """Have nothing wait but the calls that are counted, and nothing told to anybody."""
    from django.utils import timezone

    from calls.models import Call, Message
    from webhooks.models import Delivery, Subscription

    now = timezone.now()
    Call.objects.filter(status="queued").update(status="canceled", ended_at=now, due_at=None)
    Message.objects.filter(status="queued").update(status="failed", ended_at=now, due_at=None)
    Delivery.objects.filter(status="pending").update(
        status="failed", ended_at=now, next_attempt_at=None
    )
    Subscription.objects.update(status="disabled")
    make_waiting(CALLS)


if __name__ == "__main__":
    import django

    django.setup()
    answer: object = None
    if sys.argv[1] == "caller":
        answer = make_caller()
    elif sys.argv[1] == "waiting":
        leave_waiting()
    else:
        make_as_loaded()
    sys.stdout.write(json.dumps(answer) + "\n")
