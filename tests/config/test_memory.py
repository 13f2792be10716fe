"""One heap for the threads of a process, and what is imported is not looked at for garbage."""

import ctypes
import os
import subprocess
import sys

import pytest

IS_GLIBC = hasattr(ctypes.CDLL(None), "mallopt")
only_glibc = pytest.mark.skipif(not IS_GLIBC, reason="Only glibc gives each thread a heap")

# Says how many heaps it has once some threads have allocated, all of them alive.
HEAPS = """
import ctypes, threading
from config.memory import settle
{first}
barrier = threading.Barrier(5)
def allocate():
    kept = bytes(10_000)
    barrier.wait()
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
barrier.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
barrier.wait()
"""
# Says how many objects the collector looks at, and after how many new ones it next looks at all.
OBJECTS = """
import gc
kept = [[] for _ in range(1_000_000)]
from config.memory import settle
{first}
print(len(gc.get_objects()))
full = gc.get_stats()[2]["collections"]
more = []
while gc.get_stats()[2]["collections"] == full:
    more.append([])
print(len(more))
"""


@only_glibc
def test_threads_share_one_heap_where_each_would_have_its_own() -> None:
    assert _heaps("") > 1
    assert _heaps("settle()") == 1


@only_glibc
@pytest.mark.parametrize(
    "said", [{"MALLOC_ARENA_MAX": "3"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=3"}]
)
def test_what_the_environment_says_of_heaps_holds(said: dict[str, str]) -> None:
    assert _heaps("settle()", **said) == 3


@only_glibc
def test_an_environment_that_says_nothing_of_heaps_is_as_none() -> None:
    assert _heaps("settle()", MALLOC_ARENA_MAX="") == 1


def test_what_was_there_is_not_looked_at_and_does_not_put_off_a_look_at_what_comes() -> None:
    looked_at, until_look = map(int, _output(OBJECTS.format(first="gc.collect()")).split())
    looked_at_then, until_look_then = map(int, _output(OBJECTS.format(first="settle()")).split())

    assert looked_at > 1_000_000 > 1_000 > looked_at_then
    assert until_look > 200_000 > until_look_then


def _heaps(first: str, **environment: str) -> int:
    return _output(HEAPS.format(first=first), **environment).count("<heap nr=")


def _output(code: str, **environment: str) -> str:
    kept = {
        name: text
        for name, text in os.environ.items()
        if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
