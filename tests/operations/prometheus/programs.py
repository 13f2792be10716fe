"""Prometheus' own programs, where they are installed: Debian's package `prometheus` has both."""

import shutil

import pytest


def program(name: str) -> str:
    """Its path; skips where it is not there, which .ci/run says."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on PATH: apt-get install prometheus")
    return path
