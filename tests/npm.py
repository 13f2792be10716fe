"""The npm projects of tests, installed from their lock files: once a run, by who asks first."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def installed(project: Path, *, factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with its packages, which all workers of this run read."""
    copy = _shared(factory) / f"npm-{project.parent.name}-{project.name}"
    with copy.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            _install(project, into=copy)
    return copy


def _shared(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run, in which each worker has one of its own."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _install(project: Path, *, into: Path) -> None:
    half = into.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(project, half, ignore=shutil.ignore_patterns("node_modules"))
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(["npm", "ci", *quiet], cwd=half, check=True, timeout=300)
    half.rename(into)
