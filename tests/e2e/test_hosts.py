"""Two hosts with one database and one Redis, of which one is cut off with calls under way."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.e2e.fleet import Orders, assert_each_ended_once, leading, lift_limits, wait_for_ends
from tests.e2e.network import Network, connected, postgres, redis_server
from tests.e2e.product import Process, Product, wait_until
from tests.e2e.switchboard import Switchboard, answering

CALLS = 1_000


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    if not request.config.getoption("--hosts"):
        pytest.skip("takes a minute or two: only with --hosts, which `make hosts` gives")
    with connected(hosts=2) as network:
        yield network


@pytest.fixture
def distant(network: Network) -> Iterator[Switchboard]:
    """A carrier that both hosts reach."""
    with answering(network.address) as switchboard:
        yield switchboard


@pytest.fixture
def hosts(tmp_path: Path, network: Network, distant: Switchboard) -> Iterator[list[Product]]:
    """Each with a web, a worker and a beat; the first one's beat leads."""
    with postgres(network) as database, redis_server(network) as queues:
        shared = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database,
            "REDIS_URL": queues,
            "SECRET_KEY": "s" * 50,
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
            "SWITCHBOARD_URL": distant.url,
            "WEB_WORKERS": "1",
        }
        made = [_host(tmp_path / str(n), network, n, shared) for n in range(2)]
        try:
            for host in made:
                host.boot()
            yield made
        finally:
            for host in made:
                host.throw_away()


@pytest.mark.timeout(900)
def test_host_that_is_cut_off_is_followed_by_the_other(
    hosts: list[Product], network: Network, distant: Switchboard
) -> None:
    first, second = hosts
    demo = first.make_demo()
    demo.use("recording")
    lift_limits(first)
    orders = Orders(demo, urls=[first.url, second.url], switchboard=distant)
    assert leading(_beats(first))
    half_way = threading.Thread(target=_cut_half_way, args=(network, distant))
    half_way.start()

    orders.place(CALLS)

    half_way.join()
    assert not first.is_answering("/healthz")
    wait_until(lambda: '"beat_leads"' in _beats(second)[0].output, what="the other beat leads")
    wait_for_ends(second, many=CALLS, seconds=300)
    assert_each_ended_once(second, orders, distant)

    # Back again, it does nothing of what it had begun.
    network.mend(0)
    first.wait_until_ready()
    orders.place(2)
    wait_for_ends(second, many=CALLS + 2)
    assert_each_ended_once(second, orders, distant)


def _host(folder: Path, network: Network, n: int, shared: dict[str, str]) -> Product:
    folder.mkdir()
    product = Product(
        folder=folder,
        runs_apart=True,
        environment={**shared, "HOME": str(folder), "VAR_DIR": str(folder / "var")},
        address=network.address_of(n),
        inside=network.inside(n),
    )
    product.environment |= {"HOST": product.address, "PUBLIC_URL": product.url}
    return product


def _beats(product: Product) -> list[Process]:
    return [one for one in product.processes if one.name == "beat"]


def _cut_half_way(network: Network, switchboard: Switchboard) -> None:
    wait_until(lambda: len(switchboard.dialled) >= CALLS // 2, what="half is dialled", seconds=400)
    network.cut(0)
