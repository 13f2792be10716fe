"""Hosts of their own, as network namespaces on a bridge, and servers that all of them reach.

Nothing of it leaves this machine, and all of it is gone afterwards.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest
import redis
from pytest_socket import socket_allow_hosts

from tests.e2e.product import free_port, wait_until


@dataclass(frozen=True)
class Network:
    name: str
    subnet: str

    @property
    def address(self) -> str:
        """This machine's, which every host reaches."""
        return f"{self.subnet}.1"

    def address_of(self, host: int) -> str:
        return f"{self.subnet}.{10 + host}"

    def inside(self, host: int) -> tuple[str, ...]:
        """What starts a command on that host."""
        return ("ip", "netns", "exec", f"{self.name}-{host}")

    def cut(self, host: int) -> None:
        """Pull its cable."""
        _ip(f"link set {self.name}{host} down")

    def mend(self, host: int) -> None:
        _ip(f"link set {self.name}{host} up")


@contextmanager
def connected(*, hosts: int) -> Iterator[Network]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root, and iproute2's `ip` on PATH")
    network = Network(name=f"o{token_hex(3)}", subnet=f"10.213.{os.getpid() % 256}")
    bridge = f"{network.name}b"
    with ExitStack() as stack:
        _undone(stack, f"link add {bridge} type bridge", f"link del {bridge}")
        _ip(f"addr add {network.address}/24 dev {bridge}")
        _ip(f"link set {bridge} up")
        for host in range(hosts):
            _plug_in(stack, network, host, bridge=bridge)
        ours = [network.address, *(network.address_of(host) for host in range(hosts))]
        socket_allow_hosts(["127.0.0.1", *ours], allow_unix_socket=True)
        yield network


def _plug_in(stack: ExitStack, network: Network, host: int, *, bridge: str) -> None:
    name, cable = f"{network.name}-{host}", f"{network.name}{host}"
    _undone(stack, f"netns add {name}", f"netns del {name}")
    _ip(f"link add {cable} type veth peer name eth0 netns {name}")
    _ip(f"link set {cable} master {bridge} up")
    _ip(f"-n {name} addr add {network.address_of(host)}/24 dev eth0")
    _ip(f"-n {name} link set lo up")
    _ip(f"-n {name} link set eth0 up")


def _undone(stack: ExitStack, does: str, undoes: str) -> None:
    _ip(does)
    stack.callback(_ip, undoes)


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    if done.returncode and "not permitted" in done.stderr:
        pytest.skip(f"root may not `ip {arguments}` here")
    assert done.returncode == 0, f"ip {arguments}: {done.stderr}"


@contextmanager
def postgres(network: Network) -> Iterator[str]:
    """The URL of a PostgreSQL server that is the network's own."""
    initdb, server = _program("initdb"), _program("postgres")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        user = _owner(folder, data)
        _as(user, [initdb, "-D", str(data), "-U", "postgres", "--auth=trust"]).wait(60)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all postgres {network.subnet}.0/24 trust\n")
        options = f"-c listen_addresses={network.address} -c unix_socket_directories="
        running = _as(user, [server, "-D", str(data), "-p", str(port), "-F", *options.split()])
        url = f"postgres://postgres@{network.address}:{port}/postgres"
        try:
            wait_until(lambda: _answers(url), what="the network's PostgreSQL answers")
            yield url
        finally:
            running.terminate()  # at once, whoever is connected still
            running.kill()
            running.wait()


def _owner(folder: str, data: Path) -> str:
    """Who runs PostgreSQL, which refuses to be root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    os.chmod(folder, 0o711)
    shutil.chown(data, user)
    return user


def _as(user: str, command: list[str]) -> "subprocess.Popen[bytes]":
    entry = pwd.getpwnam(user)
    return subprocess.Popen(
        command,
        cwd="/",
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _program(name: str) -> str:
    """On PATH, or where Debian keeps it."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(places[-1]) if places else shutil.which(name)
    if not found:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return found


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def redis_server(network: Network) -> Iterator[str]:
    """The URL of a Redis that is the network's own."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("redis-server is not installed")
    port = free_port()
    options = f"--bind {network.address} --port {port} --protected-mode no --appendonly no"
    running = subprocess.Popen(
        [program, *options.split(), "--save", ""], cwd="/", stdout=subprocess.DEVNULL
    )
    url = f"redis://{network.address}:{port}/0"
    try:
        wait_until(lambda: _pongs(url), what="the network's Redis answers")
        yield url
    finally:
        running.kill()
        running.wait()


def _pongs(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=2).ping())
    except redis.RedisError:
        return False
