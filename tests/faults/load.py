"""Clients: each places one call, insists until it is answered, and may think better of it."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.faults.records import Order

# Valid ones whose exchange 555 nobody is behind; none of the numbers is ever dialled.
AREAS = (201, 202, 206, 212, 213, 214, 303, 305, 312, 313, 314, 404, 408, 415, 503, 512, 602, 617)
# What the simulated carrier does with a test call, by its last four digits.
TEST_ENDINGS = ("0101", "0102", "0103", "0104", "0106", "0107", "0108", "0123", "0123", "0123")
RETRY = {"causes": ["no_answer", "busy"], "attempts": 3, "gaps": [10]}
# Seconds until a client asks again, twice as many each time.
INSISTS_AFTER, INSISTS_AT_MOST = 0.5, 4.0
CLIENTS = 48
ANSWER_SECONDS = 15


@dataclass(frozen=True)
class Customer:
    """One account's keys and agents."""

    account: str
    live_key: str
    test_key: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """A call that somebody wants, and whether they want it canceled after so many seconds."""

    customer: Customer
    agent: str
    number: str
    mode: str
    retries: bool
    cancel_after: float | None

    @property
    def body(self) -> dict[str, Any]:
        retry = {"retry": RETRY} if self.retries else {}
        asked = {"agentId": self.agent, "toNumber": self.number}
        return {**asked, "ringTimeout": 5, "maxDuration": 120, **retry}

    @property
    def headers(self) -> dict[str, str]:
        key = self.customer.live_key if self.mode == "live" else self.customer.test_key
        return {"X-API-Key": key}


def wishes(customers: Sequence[Customer], *, seed: int) -> Iterator[Wish]:
    """Without end, and the same ones for the same seed."""
    dice = random.Random(f"wishes {seed}")
    counts = {"live": 0, "test": 0}
    while True:
        customer = dice.choice(customers)
        mode = "live" if dice.random() < 0.75 else "test"
        yield Wish(
            customer=customer,
            agent=dice.choice(customer.agents),
            number=_number(mode, counts[mode], dice),
            mode=mode,
            retries=mode == "live" and dice.random() < 0.25,
            cancel_after=dice.uniform(0, 5) if dice.random() < 0.08 else None,
        )
        counts[mode] += 1


def _number(mode: str, n: int, dice: random.Random) -> str:
    if mode == "live":
        return f"+1{AREAS[n // 9000]}555{1000 + n % 9000}"
    area, exchange = AREAS[n % len(AREAS)], 300 + n // len(AREAS)
    return f"+1{area}{exchange}{dice.choice(TEST_ENDINGS)}"


@dataclass
class Load:
    """Places wishes at a steady rate, whatever becomes of those before."""

    url: str
    wishes: Iterator[Wish]
    orders: list[Order] = field(default_factory=list)
    # Requests that got no answer, or a 5xx, and were made again.
    repeated: int = 0
    unanswered: int = 0

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(CLIENTS, thread_name_prefix="client")
        self._own, self._lock = threading.local(), threading.Lock()
        self._is_over = threading.Event()

    def run(self, *, seconds: float, rate: float) -> None:
        begins = time.monotonic()
        for n in range(round(seconds * rate)):
            time.sleep(max(begins + n / rate - time.monotonic(), 0))
            self._pool.submit(self._place, next(self.wishes), f"order-{n}")

    def finish(self, *, seconds: float) -> None:
        """Whoever has no answer `seconds` from now gives up."""
        ends = threading.Timer(seconds, self._is_over.set)
        ends.start()
        self._pool.shutdown(wait=True)
        ends.cancel()

    def close(self) -> None:
        """Nobody waits for anything any more."""
        self._is_over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _place(self, wish: Wish, key: str) -> None:
        ids, refusal = self._accepted(wish, key)
        if ids and wish.cancel_after is not None:
            time.sleep(wish.cancel_after)
            self._insist(f"/api/v1/calls/{ids[0]}/cancel", wish)
        order = Order(
            account=wish.customer.account,
            number=wish.number,
            mode=wish.mode,
            most_dials=RETRY["attempts"] if wish.retries else 1,  # type: ignore[arg-type]
            was_canceled=wish.cancel_after is not None,
            call_ids=tuple(ids),
            refusal=refusal,
        )
        with self._lock:
            self.orders.append(order)

    def _accepted(self, wish: Wish, key: str) -> tuple[list[str], str]:
        """The ids that the client was given: twice where the first answer took a second asking."""
        ids: list[str] = []
        for _ in range(2 if self._is_doubtful(key) else 1):
            answer = self._insist("/api/v1/calls/send", wish, key=key)
            if answer is None:
                return ids, ""
            if answer.status_code != 201:
                return ids, f"{answer.status_code} {answer.text[:200]}"
            ids.append(answer.json()["callId"])
        return ids, ""

    def _is_doubtful(self, key: str) -> bool:
        """Some clients ask again though they were answered."""
        return key.endswith("0")

    def _insist(self, path: str, wish: Wish, *, key: str = "") -> Any:
        """The first answer that is none of a server in trouble; None where there never was one."""
        headers = {**wish.headers, **({"Idempotency-Key": key} if key else {})}
        body, wait = wish.body if key else {}, INSISTS_AFTER
        while not self._is_over.is_set():
            try:
                answer = self._session().post(
                    self.url + path, json=body, headers=headers, timeout=ANSWER_SECONDS
                )
            except requests.RequestException:
                answer = None
            if answer is not None and answer.status_code < 500:
                return answer
            with self._lock:
                self.repeated += 1
            self._is_over.wait(wait)
            wait = min(wait * 2, INSISTS_AT_MOST)
        with self._lock:
            self.unanswered += 1
        return None

    def _session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        session: requests.Session = self._own.session
        return session
