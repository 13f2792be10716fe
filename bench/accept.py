"""Calls accepted a second: ours, the straightforward version, and the bare inserts below both.

No worker runs: what is measured is the answer to `POST calls/send`, on the same server with the
same workers and threads for all three. Ours keeps to a core, as `make web` does, and so does the
floor; the straightforward version runs as its server has it, and once more kept to a core too.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from bench.clients import post_for
from bench.rounds import IS_QUICK, Figures, medians
from bench.servers import Server, peer_environment, peer_web, product_web
from bench.straightforward import prepare

SECONDS = 1.0 if IS_QUICK else 3.0


@dataclass(frozen=True)
class Contestant:
    server: Server
    path: str
    headers: dict[str, str]
    agent_id: str

    def measure(self) -> Figures:
        before = self.server.process.cpu_seconds()
        load = post_for(SECONDS, self.server.url + self.path, body=self.order, headers=self.headers)
        used = self.server.process.cpu_seconds() - before
        return {
            "rate": load.rate,
            "p50_ms": load.percentile(0.5) * 1000,
            "p99_ms": load.percentile(0.99) * 1000,
            "cpu_ms": used / len(load.waits) * 1000,
        }

    def order(self, number: int) -> object:
        return {
            "agentId": self.agent_id,
            "toNumber": f"+1415555{2000 + number % 7000}",
            "params": {"name": "Ada", "time": "nine o'clock"},
        }


def measure() -> Figures:
    agent_id, key = make_caller()
    with ExitStack() as stack:
        ours = Contestant(
            server=stack.enter_context(product_web()),
            path="/api/v1/calls/send",
            headers={"X-API-Key": key},
            agent_id=agent_id,
        )
        contestants: dict[str, Callable[[], Figures]] = {"ours": ours.measure}
        agent_of_peer = prepare()
        contestants["peer"] = _straightforward(stack, agent_of_peer).measure
        pinned = _straightforward(stack, agent_of_peer)
        pinned.server.process.keep_to_core(core := min(os.sched_getaffinity(0)))
        contestants["pinned peer"] = pinned.measure
        floor = _floor(stack)
        floor.server.process.keep_to_core(core)
        contestants["floor"] = floor.measure
        for contestant in contestants.values():
            contestant()  # connections are made, caches filled
        found = medians(contestants)
    return {
        "accept_per_second": round(found["ours"]["rate"]),
        "accept_p50_ms": round(found["ours"]["p50_ms"], 1),
        "accept_p99_ms": round(found["ours"]["p99_ms"], 1),
        "accept_cpu_ms": round(found["ours"]["cpu_ms"], 2),
        "accept_floor_per_second": round(found["floor"]["rate"]),
        "accept_floor_cpu_ms": round(found["floor"]["cpu_ms"], 2),
        "accept_straightforward_per_second": round(found["peer"]["rate"]),
        "accept_straightforward_cpu_ms": round(found["peer"]["cpu_ms"], 2),
        "accept_straightforward_pinned_per_second": round(found["pinned peer"]["rate"]),
        "accept_vs_floor": round(found["ours"]["rate"] / found["floor"]["rate"], 2),
        "accept_vs_straightforward": round(found["ours"]["rate"] / found["peer"]["rate"], 2),
        "accept_vs_straightforward_pinned": round(
            found["ours"]["rate"] / found["pinned peer"]["rate"], 2
        ),
    }


def make_caller() -> tuple[str, str]:
    """An agent whose carrier is a real one, and a live key that no limit stops; credits count."""
    from tests.factories import make_account, make_agent, make_key

    account = make_account(credits="1000000000")
    agent = make_agent(account, carrier="dialer", prompt="You call {{name}} at {{time}}.")
    return agent.native_id, make_key(account, requests_per_minute=1_000_000_000)


def _straightforward(stack: ExitStack, agent_id: str) -> Contestant:
    environment = peer_environment("straightforward")
    server = stack.enter_context(
        peer_web(
            "bench.peers.straightforward.wsgi:application",
            settings="bench.peers.straightforward.settings",
            environment=environment,
        )
    )
    return Contestant(server=server, path="/calls", headers={"X-API-Key": "key"}, agent_id=agent_id)


def _floor(stack: ExitStack) -> Contestant:
    server = stack.enter_context(
        peer_web(
            "bench.peers.floor.wsgi:application",
            settings="bench.peers.floor.settings",
            environment={},
        )
    )
    return Contestant(server=server, path="/insert", headers={}, agent_id="")
