"""Two web, three worker and two beat processes at once, of which the leading beat and the busiest
worker are killed with calls under way."""

import pytest

from tests.e2e.fleet import (
    Orders,
    assert_each_ended_once,
    leading,
    lift_limits,
    turns,
    wait_for_ends,
)
from tests.e2e.product import Process, Product, free_port, wait_until
from tests.e2e.switchboard import Switchboard


@pytest.mark.timeout(300)
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_killed_beat_and_worker_are_followed(
    apart: Product, switchboard: Switchboard, broker: str, request: pytest.FixtureRequest
) -> None:
    if broker == "rabbitmq":
        apart.environment |= request.getfixturevalue("rabbitmq")
    sweeps = apart.folder / "sweeps"
    sweeps.touch()
    apart.environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
        "SWITCHBOARD_URL": switchboard.url,
        "SWEEPS": str(sweeps),
    }
    orders, beats = _boot_fleet(apart, switchboard)
    wait_until(lambda: turns(sweeps, beats), what="the leading beat asks for a sweep")
    first = leading(beats)

    orders.place(100)
    first.kill()
    _busiest_worker(apart).kill()
    orders.place(100)

    wait_until(lambda: len(turns(sweeps, beats)) > 1, what="the other beat asks for a sweep")
    wait_for_ends(apart, many=200)
    assert_each_ended_once(apart, orders, switchboard)
    assert turns(sweeps, beats) == [first, leading(beats)]


def _boot_fleet(product: Product, switchboard: Switchboard) -> tuple[Orders, list[Process]]:
    product.start("web")
    product.wait_until_alive()
    beside = free_port()
    product.start("web", PORT=str(beside))
    for _ in range(3):
        product.start("worker")
    beats = [product.start("beat") for _ in range(2)]
    demo = product.make_demo()
    demo.use("recording")
    lift_limits(product)
    product.wait_until_ready()
    urls = [product.url, f"http://127.0.0.1:{beside}"]
    return Orders(demo, urls=urls, switchboard=switchboard), beats


def _busiest_worker(product: Product) -> Process:
    """A worker that is in the middle of many calls."""

    def asked(worker: Process) -> int:
        return worker.output.count('"carrier_asked"')

    workers = [one for one in product.processes if one.name == "worker"]
    return max(workers, key=asked)
