"""The faults of half an hour, one of each, in seconds; `make faults` does the long run."""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import HAS_SERVICES
from tests.faults.checks import CHECKS
from tests.faults.plan import Fault
from tests.faults.run import Options, run
from tests.faults.services import missing_programs

SEED = 1
# Early, so that what the dead leave to their leases is taken up soon after the load is over.
FAULTS = [
    Fault(0.5, "wires", "swallow", "database", lasts=0.4),
    Fault(1.0, "wires", "swallow", "carrier", lasts=0.4),
    Fault(1.0, "worker", "kill -9", "worker", lasts=0),
    Fault(1.5, "moods", "fails", "receivers", lasts=4),
    Fault(1.5, "worker-2", "freeze", "worker-2", lasts=2),
    Fault(2.0, "services", "flush", "redis", lasts=0),
    Fault(2.0, "web", "kill -9", "web", lasts=0),
    Fault(2.5, "beat", "kill -9", "beat", lasts=0),
    Fault(3.0, "services", "restart immediate", "postgres", lasts=0),
    Fault(4.0, "wires", "cut", "web", lasts=0),
    Fault(4.5, "services", "restart empty", "redis", lasts=1),
    Fault(5.0, "wires", "refuse", "web", lasts=1),
]


@pytest.fixture
def programs() -> None:
    """PostgreSQL's and Redis' own, for servers that may be killed; in CI they have to be there."""
    if not HAS_SERVICES:
        pytest.skip("web, worker and beat run apart only with DATABASE_URL and REDIS_URL")
    missing = ", ".join(missing_programs())
    if missing and not os.environ.get("CI"):
        pytest.skip(f"not installed: {missing}")
    assert not missing, f"not installed: {missing}"


@pytest.mark.timeout(600)
def test_nothing_is_lost(programs: None, tmp_path: Path) -> None:
    options = Options(
        seed=SEED,
        seconds=6,
        rate=6,
        faults=FAULTS,
        quiet_seconds=300,
        is_quick=True,
        accounts=2,
    )

    done, evidence, found = run(tmp_path, options)

    assert found == {title: [] for title in CHECKS}
    assert sum(done.faults.values()) == len(FAULTS)
    assert len(evidence.calls) == 36
    assert evidence.dials
    assert evidence.told
