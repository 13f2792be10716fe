"""What a hundred times the history costs: the same questions to 10 thousand and a million calls.

Both databases are loaded as `bench.load` does it. What counts is the time in the database of each
list, claim and dashboard, the best of some in each round, for what disturbs it is not the history.
At last both are to accept and dial as many calls a second as they can.

`python -m bench.growth load CALLS` and `… time` are what this runs for itself; with `--only-calls`
nothing but calls is loaded and asked for.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from bench import growth_of_rates
from bench.asked import busiest, claims, claims_of_calls, pages, pages_of_calls
from bench.databases import own_database
from bench.processes import run_in
from bench.rounds import IS_QUICK, ROUNDS, Figures

SMALL, LARGE = 10_000, 100_000 if IS_QUICK else 1_000_000
TIMES = 7
ONLY_CALLS = "--only-calls"


def measure() -> Figures:
    with loaded(SMALL, LARGE) as urls:
        ratios = ratios_of(urls)
        rates = growth_of_rates.measure(*urls)
    worst = max(ratios.values())
    return {
        "growth_worst": worst,
        **rates,
        **{f"growth, {name}": of for name, of in ratios.items()},
    }


@contextmanager
def loaded(small: int, large: int, *flags: str) -> Iterator[list[str]]:
    """The URLs of two databases with so many calls."""
    with ExitStack() as stack:
        urls = [
            stack.enter_context(own_database(os.environ["SERVER_URL"], f"outdial_bench_{name}"))
            for name in ("small", "large")
        ]
        for url, calls in zip(urls, (small, large), strict=True):
            run_in(url, "bench.growth", "load", str(calls), *flags)
        yield urls


def ratios_of(urls: list[str], *flags: str) -> Figures:
    """For each question, how many times as long the second takes as the first."""
    rounds = [
        [json.loads(run_in(url, "bench.growth", "time", *flags)) for url in urls]
        for _ in range(ROUNDS)
    ]
    return {name: _ratio(rounds, name) for name in rounds[0][0]}


def _ratio(rounds: list[list[dict[str, float]]], name: str) -> float:
    small, large = (median(one[size][name] for one in rounds) for size in (0, 1))
    return round(large / small, 2)


# In a process that knows one of the two databases -------------------------------------------------


def load(calls: int, *, only_calls: bool) -> None:
    from django.db import connection

    from bench import load

    load.load(calls, only_calls=only_calls)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def timings(*, only_calls: bool) -> Figures:
    """Milliseconds in the database for each question."""
    return {name: _best(ask) for name, ask in _questions(only_calls=only_calls).items()}


def _best(ask: Callable[[], object]) -> float:
    ask()
    return min(_milliseconds(ask) for _ in range(TIMES))


def _milliseconds(ask: Callable[[], object]) -> float:
    with _timing() as seconds:
        ask()
    return sum(seconds) * 1000


@contextmanager
def _timing() -> Iterator[list[float]]:
    from django.db import connection

    seconds: list[float] = []

    def timed(execute: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            seconds.append(time.perf_counter() - began)

    with connection.execute_wrapper(timed):
        yield seconds


def _questions(*, only_calls: bool) -> dict[str, Callable[[], object]]:
    others = [*claims_of_calls(), *pages_of_calls()] if only_calls else [*claims(), *pages()]
    return {**_of_the_api(only_calls=only_calls), **{one.name: one.do for one in others}}


def _of_the_api(*, only_calls: bool) -> dict[str, Callable[[], object]]:
    from django.test import Client

    from agents.services import create_key
    from calls.models import Call
    from webhooks.models import Subscription

    # Of one account in both: its share of the calls is the same.
    completed = Call.objects.filter(account=busiest(), status="completed")[500:1_000]
    call = next(one for one in completed if _is_number(one.to_number))
    webhook = Subscription.objects.filter(account=call.account, status="enabled")[0]
    key = create_key(call.account, name="Bench", mode="live", requests_per_minute=1_000_000)[1]
    api = Client(headers={"host": "localhost", "X-API-Key": key})
    order = {"agentId": str(call.agent_id), "toNumber": "+14155552671", "fromNumber": None}
    paths = {
        "GET calls": "calls",
        "GET calls of an agent": f"calls?agentId={call.agent_id}",
        "GET calls that failed": "calls?status=failed",
        "GET calls to a number": f"calls?toNumber={call.to_number.replace('+', '%2B')}",
        "GET a call": f"calls/{call.native_id}",
        "GET a timeline": f"calls/{call.native_id}/events",
        "GET account": "account",
    }
    if not only_calls:
        paths |= {
            "GET sms": "sms",
            "GET deliveries": f"webhooks/{webhook.native_id}/deliveries",
            "GET webhook health": f"webhooks/{webhook.native_id}/health",
        }
    asks: dict[str, Callable[[], object]] = {
        name: _undone(lambda path=path: _checked(api.get(f"/api/v1/{path}"), 200))  # type: ignore[misc]
        for name, path in paths.items()
    }
    asks["accept a call"] = _undone(
        lambda: _checked(
            api.post("/api/v1/calls/send", order, content_type="application/json"), 201
        )
    )
    return asks


def _undone(ask: Callable[[], object]) -> Callable[[], object]:
    """What it writes is not kept, so that the next time finds the same."""
    from django.db import transaction

    def asked() -> None:
        with transaction.atomic():
            ask()
            transaction.set_rollback(True)

    return asked


def _is_number(text: str) -> bool:
    """Of those that are loaded, not all could be dialled."""
    from core.errors import InvalidNumber
    from core.phone import to_e164

    try:
        return to_e164(text) == text
    except InvalidNumber:
        return False


def _checked(answer: Any, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.status_code}: {answer.content[:500]!r}")


if __name__ == "__main__":
    import django

    django.setup()
    is_of_calls = ONLY_CALLS in sys.argv
    if sys.argv[1] == "load":
        load(int(sys.argv[2]), only_calls=is_of_calls)
    else:
        sys.stdout.write(json.dumps(timings(only_calls=is_of_calls)) + "\n")
