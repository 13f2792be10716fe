"""The servers that are compared: this product's web process, and its peers' on the same server."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from bench.databases import database_variable
from bench.processes import Process, running, wait_for
from config.apart import BLOCKING_THREADS
from tests.e2e.product import free_port

# What is compared is what a request costs; and PostgreSQL takes 100 connections by default.
WORKERS = 1


@dataclass(frozen=True)
class Server:
    url: str
    process: Process


@contextmanager
def product_web(environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`manage.py web`, as `make web` starts it."""
    port = free_port()
    environment = {**(environment or {}), "PORT": str(port), "WEB_WORKERS": str(WORKERS)}
    with _answering(Process(["manage.py", "web"], environment=environment), port=port) as server:
        yield server


@contextmanager
def peer_web(wsgi: str, *, settings: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """A peer's WSGI application under the server, workers and threads that ours has."""
    port = free_port()
    arguments = ["-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-log"]
    arguments += ["--workers", str(WORKERS), "--blocking-threads", str(BLOCKING_THREADS)]
    environment = {**environment, "DJANGO_SETTINGS_MODULE": settings}
    process = Process([*arguments, "--no-ws", wsgi], environment=environment)
    with _answering(process, port=port) as server:
        yield server


@contextmanager
def _answering(process: Process, *, port: int) -> Iterator[Server]:
    url = f"http://127.0.0.1:{port}"
    with running(process):
        wait_for(f"{url}/healthz", process)
        yield Server(url=url, process=process)


def peer_environment(peer: str) -> dict[str, str]:
    """What a peer is told of the services: a database of its own, and Redis."""
    return {
        "DATABASE_URL": os.environ[database_variable(peer)],
        "REDIS_URL": os.environ["PEER_REDIS_URL"],
    }


def empty_redis(name: str) -> None:
    """Forget what the Redis database in the environment variable `name` holds: it is ours alone."""
    with redis.Redis.from_url(os.environ[name]) as client:
        client.flushdb()
