"""What was measured, on what, and what it is to reach."""

import json
import platform
from pathlib import Path

import django

from bench.machine import commit, machine

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"
REACH = {
    "accept_vs_floor": "at least 0.6",
    "accept_vs_straightforward": "at least 5",
    "deliveries_per_second": "at least 2,000",
    "cpu_ms_per_delivery": "under 0.5",
    "queries_per_delivery": "under 0.1",
    "dial_vs_task_per_call": "at least 4",
    "deliver_vs_bare": "at least 0.4",
    "deliver_vs_django_webhook": "at least 15",
    "deliver_vs_django_outbound_webhooks": "at least 40",
    "hanging_p99_ratio": "at most 1.5",
    "accept_to_carrier_p99_ms": "at most 50",
    "report_to_webhook_p99_ms": "at most 100",
    "growth_worst": "at most 1.5",
    "growth_accept": "at most 1.5",
    "growth_dial": "at most 1.5",
    "growth_of_calls_worst": "at most 1.5",
    "memory_growth_mb": "under 5 over 100,000 calls",
}


def forget() -> None:
    """Of earlier runs: what is measured from now on is a run of its own."""
    RESULTS.unlink(missing_ok=True)


def keep(part: str, figures: dict[str, float]) -> None:
    """Write down what was measured, and of what commit, beside what was measured of other parts."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"commits": {}, "parts": {}}
    commits, parts = {**kept["commits"], part: commit()}, {**kept["parts"], part: list(figures)}
    about = {
        "machine": machine(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "postgresql": postgresql(),
        "commit": commit(),
    }
    known = {**kept.get("figures", {}), **figures}
    figures = {name: known[name] for names in parts.values() for name in names}
    results = {**about, "commits": commits, "parts": parts, "figures": figures}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    lines = ["# Figures", "", "What `make bench` measured last. Ratios count; machines differ.", ""]
    lines += [f"{name}: {value}  " for name, value in about.items()]
    for name, names in parts.items():
        lines += ["", f"## {name}, at {commits[name]}", ""]
        lines += as_table({one: figures[one] for one in names}).splitlines()
    (FOLDER / "RESULTS.md").write_text("\n".join(lines) + "\n")


def as_table(figures: dict[str, float]) -> str:
    lines = ["| figure | measured | to reach |", "|---|---|---|"]
    lines += [f"| `{name}` | {value} | {REACH.get(name, '')} |" for name, value in figures.items()]
    return "\n".join(lines) + "\n"


def postgresql() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])
