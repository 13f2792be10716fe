"""Processes that are measured: started, watched by /proc, ended with all that they started."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 30.0


class Process:
    """One, in a group of its own."""

    def __init__(
        self,
        arguments: list[str],
        *,
        environment: Mapping[str, str],
        python: str = sys.executable,
        folder: Path = ROOT,
        is_whole: bool = False,
    ) -> None:
        """`environment` comes on top of this one, unless it is the whole of it."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._popen = subprocess.Popen(  # noqa: S603 - what this benchmark itself names
            [python, *arguments],
            cwd=folder,
            env={**({} if is_whole else _outside(folder)), **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def cpu_seconds(self) -> float:
        """What it and its children have used so far."""
        return sum(_cpu_seconds(pid) for pid in self._family())

    def memory_mb(self) -> float:
        """What it and its children take; what several share is each one's in part."""
        return sum(_proportional_kb(pid) for pid in self._family()) / 1024

    def keep_to_core(self, core: int) -> None:
        """Have each of its threads run there."""
        for pid in self._family():
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), {core})

    def stop(self) -> None:
        if self.is_running:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def _family(self) -> list[int]:
        """Processes of its group: its own id is the group's."""
        return [pid for pid in _pids() if _group(pid) == self._popen.pid]


def run_in(database: str, module: str, *arguments: str) -> str:
    """The last line that `python -m module` says, in a process that knows this database alone."""
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def _outside(folder: Path) -> dict[str, str]:
    """This environment; a project in a folder of its own has settings of its own."""
    kept = dict(os.environ)
    if folder != ROOT:
        kept.pop("DJANGO_SETTINGS_MODULE", None)
    return kept


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _cpu_seconds(pid: int) -> float:
    """By proc(5); none of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _proportional_kb(pid: int) -> int:
    """The proportional set size, by proc(5); nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()


def wait_for(url: str, process: Process) -> float:
    """The seconds until `url` answers 200."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_SECONDS:
        if not process.is_running:
            break
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
                if answer.status == 200:
                    return time.monotonic() - began
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer\n{process.output}")
