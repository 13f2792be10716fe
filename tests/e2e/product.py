"""The product as an operator runs it: processes, with a folder, a port and a database."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

import psycopg
import redis
import requests

from tests.e2e.databases import ROOT as ROOT
from tests.e2e.databases import SQLITE_NAME, database
from tests.workers import own_redis

TERMINAL = ("completed", "voicemail", "busy", "no_answer", "failed", "canceled")
# The machine may be busy with other things.
PATIENCE_SECONDS = 60.0


def wait_until(holds: Callable[[], object], *, what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """What `holds` returns once that is true."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError(f"Not within {seconds:g} s: {what}")


def free_port() -> int:
    """One below the ephemeral ports, so that no outgoing connection takes it in between."""
    while True:
        port = SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@dataclass
class Process:
    """One process of the product, in a group of its own so that its children end with it."""

    name: str
    log: Path
    popen: "subprocess.Popen[bytes]"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def ask_to_stop(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def exit_code(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        return self.popen.wait(timeout=seconds)

    def send(self, what: signal.Signals) -> None:
        """To it and its children."""
        os.killpg(self.popen.pid, what)

    def kill(self) -> None:
        """As the kernel does when memory runs out: no warning, no farewell."""
        if self.is_running:
            self.send(signal.SIGKILL)
            self.popen.wait()


@dataclass(frozen=True)
class Client:
    """The HTTP API as one key sees it."""

    url: str
    key: str

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: object) -> Any:
        return self.ask("POST", path, json=body)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"timeout": 30, "headers": {"X-API-Key": self.key}, **options}
        return requests.request(method, self.url + path, **options)


@dataclass
class Demo:
    """An account's two keys, and the agent that they place calls for."""

    live: Client
    test: Client
    agent_id: str

    def subscribe(self, url: str) -> str:
        """Have every event of a call sent to `url`; the secret."""
        events = ["call.started", "call.completed", "call.failed"]
        answer = self.test.post("/api/v1/webhooks", {"url": url, "events": events})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    def use(self, carrier: str) -> None:
        """Let the agent call by this carrier."""
        changed = self.test.ask(
            "PATCH", f"/api/v1/agents/{self.agent_id}", json={"carrier": carrier}
        )
        assert changed.status_code == 200, changed.text

    def order(self, number: str, *, key: str = "test", **fields: Any) -> requests.Response:
        body = {"agentId": self.agent_id, "toNumber": number, **fields}
        client = self.live if key == "live" else self.test
        answer: requests.Response = client.post("/api/v1/calls/send", body)
        return answer

    def place(self, number: str, *, key: str = "test", **fields: Any) -> str:
        """The id of an accepted call."""
        answer = self.order(number, key=key, **fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["callId"])

    def cancel(self, call_id: str) -> None:
        answer = self.live.post(f"/api/v1/calls/{call_id}/cancel", {})
        assert answer.status_code == 200, answer.text

    def call(self, call_id: str) -> Any:
        return self.test.get(f"/api/v1/calls/{call_id}").json()

    def wait_for(self, call_id: str, status: str) -> None:
        wait_until(lambda: self.call(call_id)["status"] == status, what=f"{call_id} is {status}")

    def wait_for_end(
        self, call_ids: list[str], *, seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """The calls by their ids, once every one of them has ended."""
        # One at a time: a key has so many requests a minute.
        ends = time.monotonic() + seconds
        return {
            call_id: wait_until(
                partial(self._ended, call_id),
                what=f"{call_id} has ended",
                seconds=max(ends - time.monotonic(), 1),
            )
            for call_id in call_ids
        }

    def _ended(self, call_id: str) -> Any:
        call = self.call(call_id)
        return call if call["status"] in TERMINAL else None


@dataclass
class Product:
    """One install. `runs_apart`: web, worker and beat as separate processes."""

    folder: Path
    runs_apart: bool
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: list[Process] = field(default_factory=list)
    address: str = "127.0.0.1"
    # What starts each process, where it is to run somewhere else than here.
    inside: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def commands(self) -> list[str]:
        return ["web", "worker", "beat"] if self.runs_apart else ["run"]

    @property
    def worker(self) -> Process:
        """The process that dials and delivers."""
        name = "worker" if self.runs_apart else "run"
        return next(one for one in reversed(self.processes) if one.name == name)

    def boot(self) -> None:
        """Start every process, and wait until all of them are ready for a call."""
        for command in self.commands:
            self.start(command)
            if command == "web":
                # It is the one that migrates.
                self.wait_until_alive()
        self.wait_until_ready()

    def start(self, command: str, **environment: str) -> Process:
        log = self.folder / f"{len(self.processes)}-{command}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [*self.inside, sys.executable, "manage.py", command],
                cwd=ROOT,
                env={**self.environment, "PORT": str(self.port), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name=command, log=log, popen=popen)
        self.processes.append(process)
        return process

    def restart_worker(self) -> None:
        self.start("worker" if self.runs_apart else "run")
        self.wait_until_alive()

    def throw_away(self) -> None:
        for process in self.processes:
            process.kill()

    def manage(self, *arguments: str) -> str:
        """What `manage.py` with these arguments prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_demo(self) -> Demo:
        return self.demo_of(json.loads(self.manage("create_demo", "--json")))

    def demo_of(self, made: dict[str, str]) -> Demo:
        """The account that `create_demo --json` printed."""
        return Demo(
            live=Client(url=self.url, key=made["live_key"]),
            test=Client(url=self.url, key=made["test_key"]),
            agent_id=made["agent_id"],
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds, read beside the running product."""
        if "DATABASE_URL" in self.environment:
            with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
                return connection.execute(query.encode()).fetchall()
        with closing(sqlite3.connect(self.sqlite_file, timeout=20)) as lite:
            return list(lite.execute(query).fetchall())

    def change(self, statement: str) -> None:
        """Have the database changed, as somebody in the admin would."""
        if "DATABASE_URL" in self.environment:
            with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
                connection.execute(statement.encode())
            return
        with closing(sqlite3.connect(self.sqlite_file, timeout=20)) as lite, lite:
            lite.execute(statement)

    @property
    def sqlite_file(self) -> Path:
        return Path(self.environment["VAR_DIR"]) / SQLITE_NAME

    @contextmanager
    def writes_blocked(self) -> Iterator[None]:
        """While it lasts, a request that writes a call waits for the database."""
        if "DATABASE_URL" in self.environment:
            with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
                connection.execute("LOCK TABLE calls_call IN EXCLUSIVE MODE")
                yield
            return
        lite = sqlite3.connect(self.sqlite_file, timeout=20, isolation_level=None)
        lite.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            lite.execute("ROLLBACK")
            lite.close()

    def is_answering(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=10).status_code == 200
        except requests.RequestException:
            return False

    def wait_until_alive(self) -> None:
        wait_until(lambda: self.is_answering("/healthz"), what="/healthz answers 200")

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.is_answering("/readyz"), what="/readyz answers 200")


@contextmanager
def installed(folder: Path, *, runs_apart: bool, is_migrated: bool = True) -> Iterator[Product]:
    """An install with a database of its own; stopped, shown and thrown away at the end."""
    var = folder / "var"
    with database(var, is_migrated=is_migrated) as named:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "VAR_DIR": str(var),
            "WEB_WORKERS": "1",
            **named,
            **_queues(),
        }
        product = Product(folder=folder, runs_apart=runs_apart, environment=environment)
        try:
            yield product
        finally:
            product.throw_away()
            for process in product.processes:
                # pytest shows it where the test failed.
                sys.stdout.write(f"--- {process.log.name}\n{process.output}")


def _queues() -> dict[str, str]:
    """This worker's Redis database for installs, emptied; nothing where there is no Redis."""
    if not os.environ.get("REDIS_URL"):
        return {}
    url = own_redis(os.environ["REDIS_URL"], first=11)
    empty_redis(url)
    return {"REDIS_URL": url}


def empty_redis(url: str) -> None:
    """A broker that lost everything: what this one Redis database held is gone."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()
