"""`doctor`: what is wrong with this install, and how it is mended."""

import json
import sys
import textwrap
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from operations.doctor.examine import CHECKS, Result, examine, worst
from operations.doctor.findings import State

WIDTH = 100
COLOURS = {State.OK: "SUCCESS", State.WARNING: "WARNING", State.FAILED: "ERROR"}


class Command(BaseCommand):
    help = "Look over this install; the exit code is 1 where something failed."
    # What they would stop at is what it is asked about.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help=f"only these: {', '.join(CHECKS)}"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if unknown := sorted(set(options["names"]) - set(CHECKS)):
            sys.exit(f"There is no check {unknown[0]}; there are {', '.join(CHECKS)}")
        results = examine(options["names"])
        self.stdout.write(_as_json(results) if options["json"] else self._as_list(results))
        if worst(results) == State.FAILED:
            sys.exit(1)

    def _as_list(self, results: list[Result]) -> str:
        title = max(len(result.title) for result in results)
        lines = [line for result in results for line in self._lines(result, width=title)]
        return "\n".join([*lines, "", _summary(results)])

    def _lines(self, result: Result, *, width: int) -> list[str]:
        lines = []
        for finding in result.findings:
            state = getattr(self.style, COLOURS[finding.state])(f"{finding.state.word:<8}")
            first, *rest = _wrapped(finding.text, indent=width + 10)
            lines.append(f"{state}{result.title:<{width}}  {first}")
            lines += [" " * (width + 10) + line for line in rest]
            lines += [" " * (width + 10) + line for line in _mending(finding.mend, width=width)]
        return lines


def _mending(mend: str, *, width: int) -> list[str]:
    if not mend:
        return []
    first, *rest = _wrapped(mend, indent=width + 13)
    return [f"-> {first}", *[f"   {line}" for line in rest]]


def _wrapped(text: str, *, indent: int) -> list[str]:
    width = WIDTH - indent
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _summary(results: list[Result]) -> str:
    states = [result.state for result in results]
    failed, warned = states.count(State.FAILED), states.count(State.WARNING)
    if not failed and not warned:
        return "All is well."
    return f"{failed} failed, {warned} with a warning, {states.count(State.OK)} ok."


def _as_json(results: list[Result]) -> str:
    return json.dumps(
        {
            "status": worst(results).word,
            "checks": [
                {
                    "name": result.name,
                    "status": result.state.word,
                    "findings": [
                        {"status": one.state.word, "text": one.text, "mend": one.mend}
                        for one in result.findings
                    ],
                }
                for result in results
            ],
        },
        indent=2,
    )
