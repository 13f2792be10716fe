"""A voice engine that keeps count of whom it was asked to dial, and is seldom on its best conduct.

It speaks the dialer's protocol over tests.calls.dialer.engine. What it does to a dial is that
number's conduct; moods come on top, for as long as they last.
"""

import heapq
import json
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from tests.calls.dialer.engine import Asked, Engine, Says, signed
from tests.faults.conduct import Conduct, conduct_of
from tests.faults.records import TERMINAL, Dial

REPORTERS = 16
REPORT_SECONDS = 10


@dataclass
class Taken:
    """A dial that is under way here, or was."""

    order: dict[str, Any]
    conduct: Conduct
    at: float
    hung_up_at: float = float("inf")

    @property
    def happened(self) -> list[tuple[float, str]]:
        """What has happened by now."""
        ends = min(time.time(), self.hung_up_at)
        so_far = [(self.at + after, word) for after, word in self.conduct.story]
        so_far = [(at, word) for at, word in so_far if at <= ends]
        if self.hung_up_at < float("inf") and not self._has_ended(so_far):
            was_answered = any(word == "answered" for _, word in so_far)
            so_far.append((self.hung_up_at, "completed" if was_answered else "canceled"))
        return so_far

    @property
    def outcome(self) -> str:
        *_, (_, last) = [(0.0, ""), *self.happened]
        return last if last in TERMINAL else ""

    @property
    def told(self) -> list[tuple[float, str]]:
        """What it says of it to who asks."""
        if self.conduct.tell == "tells_nothing":
            return []
        if self.conduct.tell == "forgets_the_end":
            return [one for one in self.happened if one[1] not in TERMINAL]
        return self.happened

    def _has_ended(self, so_far: list[tuple[float, str]]) -> bool:
        return bool(so_far) and so_far[-1][1] in TERMINAL


@dataclass
class CountingCarrier:
    engine: Engine
    seed: int
    is_quick: bool
    mood: str = ""
    # By dial: how often it was ordered, whom and when first; and what was taken of it.
    orders: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._nth: dict[str, list[str]] = defaultdict(list)
        self._refused: Counter[str] = Counter()
        self._reports = Reports()
        self.engine.on_order, self.engine.on_look = self._order, self._look
        self.engine.on_hang_up = self._hang_up

    @property
    def dials(self) -> list[Dial]:
        with self._lock:
            return [self._dial(id) for id in self.first]

    def _dial(self, id: str) -> Dial:
        call_id, number, at = self.first[id]
        taken = self.taken.get(id)
        return Dial(
            id=id,
            call_id=call_id,
            number=number,
            at=at,
            orders=self.orders[id],
            outcome=taken.outcome if taken else "untaken",
            is_plain=bool(taken and taken.conduct.is_plain and taken.hung_up_at == float("inf")),
        )

    def _order(self, asked: Asked) -> Says:
        order = asked.json
        id, number = order["dial_id"], order["to_number"]
        with self._lock:
            conduct = self._conduct(id, number)
            self.met[conduct.take] += 1
            if self._refused[id] < conduct.refusals:
                self._refused[id] += 1
                return Says(429)
            self.orders[id] += 1
            self.first.setdefault(id, (order["call_id"], number, time.time()))
        is_in_error = self.mood == "errors"
        if conduct.take == "fails" or (is_in_error and number[-1] in "02468"):
            return Says(503)
        if conduct.take == "refuses":
            return Says(422, {"reason": "carrier_refused"})
        if conduct.take == "cuts":
            return Says(is_cut=True)
        delay = conduct.delay + (3 if self.mood == "slow" else 0)
        if conduct.take == "takes_late":
            time.sleep(delay)
            delay = 0.0
        self._take(id, order, conduct)
        if conduct.take == "takes_and_fails" or is_in_error:
            return Says(500)
        return Says(201, {"id": f"e-{id}"}, delay, is_cut=conduct.take == "takes_and_cuts")

    def _conduct(self, id: str, number: str) -> Conduct:
        if id not in self._nth[number]:
            self._nth[number].append(id)
        nth = self._nth[number].index(id)
        return conduct_of(number, nth=nth, seed=self.seed, is_quick=self.is_quick)

    def _take(self, id: str, order: dict[str, Any], conduct: Conduct) -> None:
        with self._lock:
            if id in self.taken:
                return
            self.taken[id] = taken = Taken(order=order, conduct=conduct, at=time.time())
            self.met[conduct.tell] += 1
        self._reports.plan(taken)

    def _look(self, asked: Asked) -> Says:
        if self.mood == "errors":
            return Says(502)
        taken = self.taken.get(asked.path.rsplit("/", 1)[1])
        if taken is None:
            return Says(404)
        return Says(200, {"reports": [said(at, word) for at, word in taken.told]})

    def _hang_up(self, asked: Asked) -> Says:
        if self.mood == "errors":
            return Says(502)
        taken = self.taken.get(asked.path.rsplit("/", 1)[1])
        if taken is None:
            return Says(404)
        if not taken.outcome:
            taken.hung_up_at = time.time()
        return Says(204)


class Reports:
    """Sends the carrier's own reports when their time comes, as its conduct has them."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Taken, float, str]] = []
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(REPORTERS, thread_name_prefix="report")
        self._count = 0
        threading.Thread(target=self._run, daemon=True).start()

    def plan(self, taken: Taken) -> None:
        for due, at, word in _moments(taken):
            with self._changed:
                self._count += 1
                heapq.heappush(self._due, (due, self._count, taken, at, word))
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.time():
                    wait = self._due[0][0] - time.time() if self._due else None
                    self._changed.wait(wait)
                _, _, taken, at, word = heapq.heappop(self._due)
            self._pool.submit(_report, taken, at, word)


def _moments(taken: Taken) -> list[tuple[float, float, str]]:
    """When which status is told, and when it happened."""
    story = [(taken.at + after, word) for after, word in taken.conduct.story]
    tell, (last, _) = taken.conduct.tell, story[-1]
    if tell in ("tells_when_asked", "tells_nothing"):
        return []
    if tell == "forgets_the_end":
        story = story[:-1]
    if tell == "tells_backwards":
        backwards = list(reversed(story))
        return [(last + n * 0.2, at, word) for n, (at, word) in enumerate(backwards)]
    told = [(at, at, word) for at, word in story]
    return told + [(due + 0.3, at, word) for due, at, word in told] * (tell == "tells_twice")


def _report(taken: Taken, at: float, word: str) -> None:
    if at > taken.hung_up_at:
        return
    body = json.dumps({**said(at, word), "token": taken.order["token"]}).encode()
    id = f"{taken.order['dial_id']}.{word}"
    headers = {"Content-Type": "application/json", **signed(body, id=id)}
    with suppress(requests.RequestException):  # told in vain: it will be asked
        requests.post(taken.order["status_url"], data=body, headers=headers, timeout=REPORT_SECONDS)


def said(at: float, word: str) -> dict[str, str]:
    return {"status": word, "at": datetime.fromtimestamp(at, UTC).isoformat()}
