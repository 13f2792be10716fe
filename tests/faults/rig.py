"""The product in its production shape with everything around it that can fail."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.calls.dialer.engine import SECRET, an_engine
from tests.e2e.product import Client, Process, Product, wait_until
from tests.faults.carrier import CountingCarrier
from tests.faults.listeners import Hearing
from tests.faults.load import Customer
from tests.faults.proxy import Proxy
from tests.faults.records import Listener
from tests.faults.services import Postgres, Redis, running
from tests.receiver import receiving

CREDITS = Decimal(1_000_000)
# More than are under way at once, so that the queue is short and every fault meets many calls.
MOST_AT_ONCE = 200
COMMANDS = {"web": "web", "worker": "worker", "worker-2": "worker", "beat": "beat"}
EVENTS = ["call.started", "call.completed", "call.failed"]


@dataclass
class Rig:
    product: Product
    postgres: Postgres
    redis: Redis
    carrier: CountingCarrier
    wires: dict[str, Proxy]
    processes: dict[str, Process] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    hearings: list[Hearing] = field(default_factory=list)
    # Processes that ended though nobody killed them, and were started again.
    fell: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where clients reach the product: behind the wire."""
        return f"http://127.0.0.1:{self.wires['web'].port}"

    def boot(self) -> None:
        self.start("web")
        self.product.wait_until_alive()  # it is the one that migrates
        for name in ("worker", "worker-2", "beat"):
            self.start(name)
        self.product.wait_until_ready()

    def start(self, name: str) -> None:
        with self._lock:
            self.processes[name] = self.product.start(COMMANDS[name])

    def kill(self, name: str) -> None:
        self.processes[name].kill()

    def start_again_what_fell(self) -> None:
        """As whatever watches over services does."""
        for name, process in list(self.processes.items()):
            if not process.is_running and process.popen.returncode != -9:
                self.fell[name] += 1
                self.start(name)


@contextmanager
def rigged(folder: Path, *, seed: int, is_quick: bool) -> Iterator[Rig]:
    """Everything up, with nobody's data in it."""
    with ExitStack() as stack:
        postgres, broker = stack.enter_context(running())
        engine = stack.enter_context(an_engine())
        carrier = CountingCarrier(engine=engine, seed=seed, is_quick=is_quick)
        targets = {"database": postgres.port, "redis": broker.port, "carrier": _port(engine.url)}
        wires = {name: Proxy(port) for name, port in targets.items()}
        product = Product(folder, runs_apart=True, environment=_environment(folder, wires))
        wires["web"] = Proxy(product.port)
        for wire in wires.values():
            stack.callback(wire.stop)
        stack.callback(product.throw_away)
        yield Rig(product, postgres, broker, carrier, wires)


def _environment(folder: Path, wires: dict[str, Proxy]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "VAR_DIR": str(folder / "var"),
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "DATABASE_URL": f"postgres://postgres@127.0.0.1:{wires['database'].port}/postgres",
        "REDIS_URL": f"redis://127.0.0.1:{wires['redis'].port}/0",
        "DIALER_URL": f"http://127.0.0.1:{wires['carrier'].port}/calls",
        "DIALER_SECRET": SECRET,
        "WEB_WORKERS": "1",  # half as long to start
        "LOG_LEVEL": "WARNING",
    }


def _port(url: str) -> int:
    return int(urlsplit(url).port or 0)


# Accounts ----------------------------------------------------------------------------------------


@contextmanager
def peopled(rig: Rig, *, accounts: int) -> Iterator[None]:
    """With accounts that have keys, agents, credits and receivers."""
    with ExitStack() as stack:
        for n in range(accounts):
            _add_account(rig, f"account {n}", stack)
        rig.postgres.execute(f"UPDATE agents_account SET max_concurrent_calls = {MOST_AT_ONCE}")
        yield


def _add_account(rig: Rig, name: str, stack: ExitStack) -> None:
    made = json.loads(rig.product.manage("create_demo", "--json", f"--credits={CREDITS}"))
    client = Client(url=rig.product.url, key=made["test_key"])
    agents = (made["agent_id"], made["agent_without_number_id"])
    for agent in agents:
        changes = {"carrier": "dialer", "defaultNumber": "+14155550100"}
        changed = client.ask("PATCH", f"/api/v1/agents/{agent}", json=changes)
        assert changed.status_code == 200, changed.text
    rig.customers.append(Customer(name, made["live_key"], made["test_key"], agents))
    first = f"agent_{agents[0].replace('-', '')}"
    for kind, surface, agent_id in (
        ("steady", "native", ""),
        ("moody", "native", ""),
        ("one agent's", "native", first),
        ("zapier", "zapier", first),
    ):
        listener = Listener(f"{name}, {kind}", name, surface, agent_id)
        hearing = Hearing(listener, stack.enter_context(receiving()))
        hearing.secret = _subscribed(client, hearing, made)
        rig.hearings.append(hearing)


def _subscribed(client: Client, hearing: Hearing, made: dict[str, Any]) -> str:
    """The secret that it is signed with, where one is shown."""
    listener, url = hearing.listener, hearing.receiver.url
    if listener.surface == "zapier":
        given = {"agent_id": made["agent_id"], "agent_secret": made["agent_secret"]}
        path, body = "/api/zapier/subscribe/call-completed", {**given, "callback_url": url}
    else:
        given = {"agentId": listener.agent_id} if listener.agent_id else {}
        path, body = "/api/v1/webhooks", {"url": url, "events": EVENTS, **given}
    answer = client.post(path, body)
    assert answer.status_code == 201, answer.text
    return str(answer.json().get("secret", ""))


# Quiet -------------------------------------------------------------------------------------------

# Rows that are none once all that was accepted has ended and been told.
LEFTOVERS = {
    "calls that have not ended": "SELECT count(*) FROM calls_call WHERE ended_at IS NULL",
    "dials that have not ended": "SELECT count(*) FROM calls_dial WHERE ended_at IS NULL",
    "stray dials": "SELECT count(*) FROM calls_dial WHERE stray_since IS NOT NULL",
    "credits set aside by ended calls": "SELECT count(*) FROM calls_call WHERE reserved <> 0",
    "deliveries that were not made": (
        "SELECT count(*) FROM webhooks_delivery WHERE status <> 'delivered'"
    ),
    "leases of deliveries": (
        "SELECT count(*) FROM webhooks_delivery WHERE lease_token IS NOT NULL"
    ),
    "webhooks that are not enabled": (
        "SELECT count(*) FROM webhooks_subscription WHERE status <> 'enabled'"
    ),
}


def leftovers(rig: Rig) -> dict[str, int]:
    return {what: rig.postgres.rows(query)[0][0] for what, query in LEFTOVERS.items()}


def wait_for_quiet(rig: Rig, *, seconds: float) -> float:
    """How long it took until nothing was left to do, at most `seconds`."""
    begins = time.monotonic()

    def is_quiet() -> bool:
        rig.start_again_what_fell()
        is_over = time.monotonic() > begins + seconds
        return is_over or not any(leftovers(rig).values())

    wait_until(is_quiet, what="quiet", seconds=seconds + 30)
    return time.monotonic() - begins
