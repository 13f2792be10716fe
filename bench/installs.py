"""Whole installs of the product in both shapes, and an account whose webhook and carrier answer."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.processes import ROOT, Process, running, wait_for
from tests.e2e.product import free_port

APART = ("web", "worker", "beat")
MAKE_CALLER = """
import json
from tests.factories import make_account, make_agent, make_key
from webhooks.services import subscribe
account = make_account(credits="1000000000")
account.max_concurrent_calls = 1_000_000
account.save()
agent = make_agent(account, carrier="dialer", prompt="You call {{name}}.")
key = make_key(account, requests_per_minute=1_000_000_000)
subscribe(account, url="HOOK", events=["call.started", "call.completed", "call.failed"])
print(json.dumps({"agent_id": agent.native_id, "key": key}))
"""


@dataclass(frozen=True)
class Install:
    url: str
    environment: Mapping[str, str]
    processes: Mapping[str, Process]
    # From the start of the first process until all that a call needs is there.
    start_seconds: float

    def make_caller(self, *, hook: str) -> tuple[str, str]:
        """An agent and a live key of an account whose webhook is at `hook`."""
        code = "import django; django.setup()" + MAKE_CALLER.replace("HOOK", hook)
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        made = json.loads(done.stdout)
        return made["agent_id"], made["key"]

    def memory_mb(self) -> dict[str, float]:
        return {name: process.memory_mb() for name, process in self.processes.items()}


@contextmanager
def apart(*, carrier: str) -> Iterator[Install]:
    """Web, worker and beat on PostgreSQL and Redis."""
    with _installed(APART, environment={**os.environ, "DIALER_URL": carrier}) as install:
        yield install


@contextmanager
def embedded(*, carrier: str) -> Iterator[Install]:
    """One process with nothing set, on a SQLite file of its own."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL", "BROKER_URL")
    }
    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder:
        environment = {**kept, "VAR_DIR": folder, "DIALER_URL": carrier}
        with _installed(("run",), environment=environment) as install:
            yield install


@contextmanager
def _installed(names: tuple[str, ...], *, environment: Mapping[str, str]) -> Iterator[Install]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**environment, "PORT": str(port)}
    processes: dict[str, Process] = {}
    with ExitStack() as stack:
        for name in names:
            process = Process(["manage.py", name], environment=environment, is_whole=True)
            processes[name] = stack.enter_context(running(process))
        seconds = wait_for(f"{url}/readyz", processes[names[0]])
        yield Install(url=url, environment=environment, processes=processes, start_seconds=seconds)
