"""`make bench`: the figures, on PostgreSQL and Redis, written down beside the code."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from bench.machine import commit, machine

FOLDER = Path(__file__).resolve().parent
DATABASE = "outdial_bench"
REACH = {
    "deliveries_per_second": "at least 2,000",
    "cpu_ms_per_delivery": "under 0.5",
    "queries_per_delivery": "under 0.1",
    "deliver_vs_bare": "at least 0.4",
    "hanging_p99_ratio": "at most 1.5",
}


def main() -> None:
    if not os.environ.get("DATABASE_URL") or not os.environ.get("REDIS_URL"):
        sys.exit("make bench measures on PostgreSQL and Redis: set DATABASE_URL and REDIS_URL")
    with own_database(os.environ["DATABASE_URL"]) as url:
        os.environ |= {
            "DATABASE_URL": url,
            "REDIS_URL": urlsplit(os.environ["REDIS_URL"])._replace(path="/7").geturl(),
            "VAR_DIR": tempfile.mkdtemp(prefix="outdial-bench-"),
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        figures = measure()
    write(figures)


def measure() -> dict[str, float]:
    import django

    django.setup()
    from django.db import connections

    from bench import deliver
    from config.migrating import migrate

    migrate()
    try:
        return deliver.measure()
    finally:
        connections.close_all()


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """A database for this run alone, beside the one of `url`."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        server.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield urlsplit(url)._replace(path=f"/{DATABASE}").geturl()
        finally:
            server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def write(figures: dict[str, float]) -> None:
    about = {"machine": machine(), "python": platform.python_version(), "commit": commit()}
    results = {**about, "figures": figures}
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    lines = ["# Figures", "", "What `make bench` measured last. Ratios count; machines differ.", ""]
    lines += [f"{name}: {value}  " for name, value in about.items()]
    lines += ["", "| figure | measured | to reach |", "|---|---|---|"]
    lines += [f"| `{name}` | {value} | {REACH.get(name, '')} |" for name, value in figures.items()]
    text = "\n".join(lines) + "\n"
    (FOLDER / "RESULTS.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
