"""A PostgreSQL and a Redis of the run's own, which it may kill as it likes."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import redis

from tests.e2e.product import free_port, wait_until

DEBIAN = Path("/usr/lib/postgresql")
ACCOUNTS = ("postgres", "nobody")


def missing_programs() -> list[str]:
    """What is needed and is neither on PATH nor where Debian keeps it."""
    needed = {"initdb": _postgres("initdb"), "redis-server": shutil.which("redis-server")}
    return [name for name, path in needed.items() if not path]


def _postgres(name: str) -> str | None:
    found = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return shutil.which(name) or (str(found[-1]) if found else None)


@dataclass
class Postgres:
    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self.folder.mkdir()
        if _is_root():
            shutil.chown(self.folder, _owner())
        self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync")
        self.start()

    def start(self) -> None:
        # The machine does not die, so nothing is to be had from waiting for its disk.
        listens = "-c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options = f"{listens} -p {self.port} -F -c max_connections=300"
        self._run("pg_ctl", "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self, how: str) -> None:
        """`fast` says goodbye to everybody, `immediate` to nobody, as a crash does."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-m", how, "-w", "stop")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, query: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(query.encode())

    def copy(self, table: str, target: Path) -> None:
        """The table as CSV, for whoever looks into a breach."""
        with psycopg.connect(self.url) as connection, target.open("wb") as file:
            query = f"COPY {table} TO STDOUT WITH CSV HEADER"
            with connection.cursor().copy(query.encode()) as parts:
                for part in parts:
                    file.write(part)

    def _run(self, name: str, *arguments: str) -> None:
        # The server refuses to be root.
        subprocess.run(
            [str(_postgres(name)), "-D", str(self.folder), *arguments],
            cwd="/",
            user=_owner() if _is_root() else None,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
        )


@dataclass
class Redis:
    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """With nothing in it: what it had is lost."""
        keeps_nothing = ["--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), *keeps_nothing],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, what="Redis answers")

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def running() -> Iterator[tuple[Postgres, Redis]]:
    """Both, empty; gone at the end."""
    with TemporaryDirectory(prefix="outdial-faults-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's owner has to get through
        postgres, broker = Postgres(folder / "postgres"), Redis(folder)
        try:
            postgres.create()
            broker.start()
            yield postgres, broker
        finally:
            postgres.stop("immediate")
            broker.kill()


def _is_root() -> bool:
    return os.geteuid() == 0


def _owner() -> str:
    for name in ACCOUNTS:
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LookupError("Neither postgres nor nobody is a user here")
