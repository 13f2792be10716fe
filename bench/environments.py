"""Peers from PyPI, each in a folder and an environment of its own, made at the first run."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.processes import ROOT, Process
from bench.servers import peer_environment

PEERS = ROOT / "bench" / "peers"
KEPT = ROOT / "var" / "bench"


class Peer:
    """A project in bench/peers/`name`, with what its requirements.txt pins."""

    def __init__(self, name: str) -> None:
        self._folder = PEERS / name
        self._python = KEPT / name / "bin" / "python"

    def install(self) -> None:
        pins = self._folder / "requirements.txt"
        mark = KEPT / self._folder.name / "installed.txt"
        if mark.exists() and mark.read_text() == pins.read_text():
            return
        _do([sys.executable, "-m", "venv", str(mark.parent)])
        _do([str(self._python), "-m", "pip", "install", "--quiet", "-r", str(pins)])
        mark.write_text(pins.read_text())

    def run(self, *arguments: str) -> None:
        _do(
            [str(self._python), *arguments],
            folder=self._folder,
            more=peer_environment(self._folder.name),
        )

    def start(self, *arguments: str) -> Process:
        return Process(
            list(arguments),
            environment=peer_environment(self._folder.name),
            python=str(self._python),
            folder=self._folder,
        )


def _do(line: Sequence[str], *, folder: Path = ROOT, more: dict[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603 - what this benchmark itself names
        line,
        cwd=folder,
        env=_environment(more or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(line)}\n{done.stdout}{done.stderr}")


def _environment(more: dict[str, str]) -> dict[str, str]:
    """Without our own Django's settings."""
    kept = {name: text for name, text in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, **more}
