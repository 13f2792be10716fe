"""A core of its own for each web process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="Only Linux lets a process choose its cores"
)

# Says on which cores its threads run, and lives until its input ends.
PROCESS = """
import os, sys, threading
from config import cores
os.sched_setaffinity(0, {cores})
cores.CLAIM = "{claim}"
cores.keep_to_a_core()
thread = threading.Thread(target=lambda: print(*os.sched_getaffinity(0), file=sys.stderr))
thread.start()
sys.stdin.read()
"""
# Two are enough.
CORES = set(sorted(os.sched_getaffinity(0))[:2]) if hasattr(os, "sched_getaffinity") else set()


@pytest.fixture
def claim() -> str:
    """Not that of installs which run beside these tests."""
    return f"\\0outdial-test-{uuid4().hex}-{{core}}"


def test_each_has_one_as_far_as_there_are_some_and_leaves_it_when_it_ends(claim: str) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(_process(claim)) for _ in CORES]
        assert sorted(core for _, (core,) in taken) == sorted(CORES)

        with _process(claim) as (_, cores):
            assert set(cores) == CORES

        first, (core,) = taken[0]
        first.kill()
        first.wait()
        with _process(claim) as (_, cores):
            assert cores == [core]


@contextmanager
def _process(claim: str) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS.format(claim=claim, cores=CORES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # where its log goes
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        yield process, [int(core) for core in process.stderr.readline().split()]
    finally:
        process.kill()
        process.communicate()
