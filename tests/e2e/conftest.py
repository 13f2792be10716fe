"""Booted installs for the tests, in the shapes that the environment has the services for.

With DATABASE_URL and REDIS_URL the product runs apart on them, else embedded on SQLite.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from kombu import Connection, Exchange, Queue

from tests.e2e.product import Demo, Product, installed
from tests.e2e.switchboard import Switchboard, answering

HAS_SERVICES = bool(os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"))
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Product]:
    """One process, on whatever database the environment names, empty; nothing started yet."""
    with installed(tmp_path, runs_apart=False, is_migrated=False) as product:
        yield product


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Product]:
    """Web, worker and beat on PostgreSQL, empty, and Redis; nothing started yet."""
    if not HAS_SERVICES:
        pytest.skip("web, worker and beat run apart only with DATABASE_URL and REDIS_URL")
    with installed(tmp_path, runs_apart=True, is_migrated=False) as product:
        yield product


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """The shape that fits the environment, its tables made; nothing started yet."""
    with installed(tmp_path, runs_apart=HAS_SERVICES) as product:
        yield product


@pytest.fixture
def demo(product: Product) -> Demo:
    """A booted product's keys and agent."""
    product.boot()
    return product.make_demo()


@pytest.fixture
def public(product: Product) -> Product:
    """The shape that fits the environment, at an address that carriers report to."""
    product.environment |= {
        "PUBLIC_URL": f"http://localhost:{product.port}",
        "SECRET_KEY": "s" * 50,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    return product


@pytest.fixture
def switchboard() -> Iterator[Switchboard]:
    """A carrier's own machine, which counts how often each number was dialled."""
    with answering() as switchboard:
        yield switchboard
        assert not switchboard.dialled_twice


@pytest.fixture
def recorded(product: Product, switchboard: Switchboard) -> Demo:
    """A booted product whose agent dials through the switchboard."""
    product.environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "SWITCHBOARD_URL": switchboard.url,
    }
    product.boot()
    demo = product.make_demo()
    demo.use("recording")
    return demo


@pytest.fixture
def tool() -> Callable[[str], str]:
    """The path of a program that a client may have; in CI it has to be there."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and not os.environ.get("CI"):
            pytest.skip(f"{name} is not installed")
        assert path, f"{name} is not installed"
        return path

    return find


@pytest.fixture
def rabbitmq() -> Iterator[dict[str, str]]:
    """The environment that makes RabbitMQ the broker, with a queue that nobody else reads."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 5672)):
            pytest.skip("no RabbitMQ answers on 127.0.0.1:5672")
    queue = f"outdial-e2e-{uuid4().hex}"
    yield {
        "BROKER_URL": RABBITMQ,
        "QUEUE": queue,
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "SWITCHBOARD_URL": "",
    }
    with Connection(RABBITMQ) as connection:
        channel = connection.channel()
        Queue(queue, channel=channel).delete()
        Exchange(queue, channel=channel).delete()
