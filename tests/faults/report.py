"""What a run did and found, as a page."""

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.machine import commit
from tests.faults.records import Evidence

# Of each check's breaches so many are shown.
MOST_SHOWN = 10


@dataclass(frozen=True)
class Run:
    seed: int
    minutes: float
    rate: float
    kills: int
    quiet_seconds: float
    faults: Mapping[str, int]
    failed: Sequence[str]
    conduct: Mapping[str, int]
    fell: Mapping[str, int]
    repeated: int
    unanswered: int

    @property
    def command(self) -> str:
        return (
            f'make faults FAULTS="--seed {self.seed} --minutes {self.minutes:g} '
            f'--rate {self.rate:g} --kills {self.kills}"'
        )


def page(run: Run, evidence: Evidence, found: Mapping[str, Sequence[str]]) -> str:
    breaches = sum(len(sentences) for sentences in found.values())
    verdict = "Nothing was lost." if not breaches else f"**{breaches} breaches.**"
    return "\n".join(
        [
            "# Fault run",
            "",
            f"{verdict} Written by `make faults` at {commit()}; again with the same plan:",
            "",
            f"```console\n$ {run.command}\n```",
            "",
            *_table("what", "how much", _figures(run, evidence)),
            *_table("check", "breaches", {title: len(found[title]) for title in found}),
            *_shown(found),
            *_table("what was done", "times", dict(sorted(run.faults.items()))),
            *(f"- {fault}" for fault in run.failed),
            *_table("what the carrier did to orders", "times", dict(sorted(run.conduct.items()))),
            *_table("how calls ended", "calls", _ends(evidence)),
            _machine(),
            "",
        ]
    )


def _figures(run: Run, evidence: Evidence) -> dict[str, object]:
    ids = {(one.listener, one.event_id) for one in evidence.told}
    return {
        "minutes under load": f"{run.minutes:g}",
        "seconds until quiet after it": f"{run.quiet_seconds:.0f}",
        "calls accepted": f"{sum(bool(order.call_ids) for order in evidence.orders):,}",
        "requests repeated because no answer came, or a 5xx": f"{run.repeated:,}",
        "clients that never got an answer": run.unanswered,
        "calls that were to be canceled": sum(order.was_canceled for order in evidence.orders),
        "dials ordered from the carrier": f"{len(evidence.dials):,}",
        "events told to receivers": f"{len(ids):,}",
        "of which told again, with the same id": f"{len(evidence.told) - len(ids):,}",
        "processes killed (`kill -9`)": sum(
            count for what, count in run.faults.items() if what.startswith("kill")
        ),
        "processes that ended by themselves": sum(run.fell.values()),
        "faults that could not be done": len(run.failed),
    }


def _ends(evidence: Evidence) -> dict[str, int]:
    ends = Counter(
        f"{call.mode}: {call.status}" + f" ({call.reason})" * bool(call.reason)
        for call in evidence.calls
    )
    return dict(ends.most_common())


def _table(left: str, right: str, rows: Mapping[str, object]) -> list[str]:
    return [f"| {left} | {right} |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows.items()), ""]


def _shown(found: Mapping[str, Sequence[str]]) -> list[str]:
    lines: list[str] = []
    for title, sentences in found.items():
        if sentences:
            shown = [f"- {sentence}" for sentence in sentences[:MOST_SHOWN]]
            lines += [f"**{title}**", "", *shown, ""]
    return lines


def _machine() -> str:
    return (
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, everything on it: the product, its PostgreSQL and Redis, "
        "clients, carrier and receivers."
    )
