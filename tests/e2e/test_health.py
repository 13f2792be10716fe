"""`/healthz` and `/readyz`, as an orchestrator sees them."""

import requests

from tests.e2e.product import Product


def test_web_is_alive_at_once_and_ready_once_a_worker_runs(apart: Product) -> None:
    apart.start("web")
    apart.wait_until_alive()

    answer = requests.get(f"{apart.url}/readyz", timeout=10)

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "ok", "broker": "ok", "worker": "failed"},
    }
    apart.start("worker")
    apart.start("beat")
    apart.wait_until_ready()


def test_two_first_starts_at_the_same_moment_both_come_up(apart: Product) -> None:
    first = apart.start("web")
    beside = Product(folder=apart.folder / "beside", runs_apart=True, environment=apart.environment)
    beside.folder.mkdir()
    second = beside.start("web")
    try:
        apart.wait_until_alive()
        beside.wait_until_alive()
    finally:
        beside.throw_away()

    assert first.is_running
    assert "Traceback" not in first.output + second.output
