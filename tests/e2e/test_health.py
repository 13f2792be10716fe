"""`/healthz` and `/readyz`, as an orchestrator sees them."""

import json
import subprocess
import sys

import pytest
import requests

from tests.e2e.conftest import HAS_SERVICES
from tests.e2e.product import ROOT, Product, wait_until


def test_web_is_alive_at_once_and_ready_once_a_worker_runs(apart: Product) -> None:
    apart.start("web")
    apart.wait_until_alive()

    answer = requests.get(f"{apart.url}/readyz", timeout=10)

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "ok", "broker": "ok", "worker": "failed"},
    }
    wait_for_diagnosis(apart, worker="failed", beat="failed")
    apart.start("worker")
    apart.wait_until_ready()
    wait_for_diagnosis(apart, worker="ok", beat="failed")
    apart.start("beat")
    wait_for_diagnosis(apart, worker="ok", beat="ok")


@pytest.mark.skipif(HAS_SERVICES, reason="there they are told apart")
def test_the_doctor_hears_of_the_embedded_server(embedded: Product) -> None:
    embedded.boot()
    wait_for_diagnosis(embedded, worker="ok", beat="ok")


def wait_for_diagnosis(product: Product, **parts: str) -> None:
    # It asks for seconds, which a machine that is busy with other tests may not have.
    wanted = {"public_url": "ok", **parts}
    wait_until(lambda: diagnosed(product) == wanted, what=f"the doctor says {wanted}")


def diagnosed(product: Product) -> dict[str, str]:
    """What `manage.py doctor` says, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json", "public_url", "worker", "beat"],
        cwd=ROOT,
        env={**product.environment, "PORT": str(product.port)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == (1 if "failed" in said.values() else 0)
    return said


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
