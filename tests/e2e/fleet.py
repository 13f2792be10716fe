"""Many calls over many processes, and what has to be true of them at the end."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, cycle, groupby
from pathlib import Path

import requests

from tests.e2e.product import Demo, Process, Product, wait_until
from tests.e2e.switchboard import Story, Switchboard

# Over when it is first asked after, so that a call costs a busy machine little.
QUICK: Story = [(0.0, "ringing"), (0.1, "in_progress"), (0.2, "completed")]
FIRST_NUMBER = 14_155_540_000


class Orders:
    """Places calls, each to a number of its own, through one web process after the other.

    A client that gets no answer asks the next one, with the same Idempotency-Key.
    """

    def __init__(self, demo: Demo, *, urls: Sequence[str], switchboard: Switchboard) -> None:
        self.numbers: dict[str, str] = {}
        self.urls = list(urls)
        self._demo = demo
        self._count: Iterator[int] = count(FIRST_NUMBER)
        self._switchboard = switchboard

    def place(self, many: int) -> None:
        """Several at once; every one of them is accepted."""
        numbers = [next(self._count) for _ in range(many)]
        with ThreadPoolExecutor(8) as threads:
            self.numbers.update(threads.map(self._place, numbers))

    def _place(self, n: int) -> tuple[str, str]:
        number = f"+{n}"
        self._switchboard.stories[number] = QUICK
        fields = {"toNumber": number, "ringTimeout": 5, "maxDuration": 60}
        for url in cycle([*self.urls[n % 2 :], *self.urls[: n % 2]]):
            if answer := self._asked(url, {"agentId": self._demo.agent_id, **fields}):
                assert answer.status_code == 201, answer.text
                return str(answer.json()["callId"]), number
        raise AssertionError

    def _asked(self, url: str, body: dict[str, object]) -> requests.Response | None:
        live = replace(self._demo.live, url=url)
        headers = {"X-API-Key": live.key, "Idempotency-Key": str(body["toNumber"])}
        try:
            # As long as a database may hold on to the locks of a host that is gone, and a bit.
            options = {"headers": headers, "json": body, "timeout": (3, 30)}
            return live.ask("POST", "/api/v1/calls/send", **options)
        except requests.RequestException:
            if len(self.urls) < 2:
                raise
            return None


def lift_limits(product: Product) -> None:
    """Let one account have as many calls as it likes."""
    product.change("UPDATE agents_apikey SET requests_per_minute = 1000000")
    product.change("UPDATE agents_account SET max_concurrent_calls = 1000, credits = NULL")


def wait_for_ends(product: Product, *, many: int, seconds: float = 120) -> None:
    ended = "SELECT count(*) FROM calls_call WHERE ended_at IS NOT NULL"
    wait_until(lambda: product.rows(ended) == [(many,)], what="every call ended", seconds=seconds)


def assert_each_ended_once(product: Product, orders: Orders, switchboard: Switchboard) -> None:
    """Whoever was dialled was dialled once, and talked; who was not, has a call that failed so."""
    calls = product.rows("SELECT id, to_number, status, reason FROM calls_call")
    assert {number for _, number, _, _ in calls} == set(orders.numbers.values())
    assert not switchboard.dialled_twice
    dialled = set(switchboard.numbers)
    odd = [
        (number, status, reason)
        for _, number, status, reason in calls
        if (status, reason) != (("completed", "") if number in dialled else UNKNOWN)
    ]
    assert odd == []
    dials = product.rows("SELECT call_id, count(*) FROM calls_dial GROUP BY 1 HAVING count(*) > 1")
    assert dials == []
    ends = product.rows(
        "SELECT subject, count(*) FROM webhooks_event WHERE type != 'call.started' GROUP BY 1"
    )
    assert sorted(ends) == sorted((call_id, 1) for call_id in orders.numbers)


def leading(beats: Sequence[Process]) -> Process:
    """The beat that said so, and has not been killed since."""
    return next(beat for beat in beats if beat.is_running and '"beat_leads"' in beat.output)


def turns(sweeps: Path, beats: Sequence[Process]) -> list[Process]:
    """Which beat asked for sweeps, and which one after it."""
    origins = [line.removeprefix("gen").partition("@")[0] for line in sweeps.open()]
    by_pid = {str(beat.popen.pid): beat for beat in beats}
    return [by_pid[pid] for pid, _ in groupby(pid for pid in origins if pid in by_pid)]


# Killed between the commit and the request, a worker leaves a dial that never went out.
UNKNOWN = ("failed", "carrier_unknown")
