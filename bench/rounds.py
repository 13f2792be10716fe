"""Rounds: each contestant in turn, again and again, so that a noisy minute meets all of them."""

import os
import statistics
from collections.abc import Callable, Mapping

# For trying out: `python -m bench --quick` measures a tenth, and its figures say little.
IS_QUICK = bool(os.environ.get("BENCH_QUICK"))
ROUNDS = 1 if IS_QUICK else 5

Figures = dict[str, float]


def medians(
    contestants: Mapping[str, Callable[[], Figures]], *, rounds: int = ROUNDS
) -> dict[str, Figures]:
    """What each one measured in the middle of its rounds, figure by figure."""
    measured: dict[str, list[Figures]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            measured[name].append(measure())
    return {name: _middle(of_rounds) for name, of_rounds in measured.items()}


def scaled(number: int) -> int:
    return max(number // 10, 1) if IS_QUICK else number


def _middle(of_rounds: list[Figures]) -> Figures:
    return {
        name: statistics.median(one[name] for one in of_rounds) for name in sorted(of_rounds[0])
    }
