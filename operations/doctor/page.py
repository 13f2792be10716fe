"""The doctor's page in the admin."""

from typing import Any

from django.utils import timezone

from operations.doctor.examine import Result, examine, worst
from operations.doctor.findings import State

ICONS = {State.OK: "check_circle", State.WARNING: "warning", State.FAILED: "error"}


def findings() -> dict[str, Any]:
    """What templates/admin/doctor.html shows. It asks around, so it takes seconds."""
    results = examine()
    return {
        "results": [
            {"title": result.title, "state": result.state.word, "findings": _shown(result)}
            for result in results
        ],
        "verdict": _verdict(results),
        "state": worst(results).word,
        "now": timezone.now(),
    }


def _shown(result: Result) -> list[dict[str, str]]:
    return [
        {
            "state": one.state.word,
            "icon": ICONS[one.state],
            "text": one.text,
            "mend": one.mend,
        }
        for one in result.findings
    ]


def _verdict(results: list[Result]) -> str:
    states = [result.state for result in results]
    failed, warned = states.count(State.FAILED), states.count(State.WARNING)
    if not failed and not warned:
        return "All is well"
    parts = [(failed, "failed"), (warned, f"warning{'' if warned == 1 else 's'}")]
    return ", ".join(f"{number} {word}" for number, word in parts if number)
