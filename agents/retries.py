"""Whether a call that nobody answered is tried again, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import structlog

log = structlog.get_logger(__name__)

# What may be tried again. `failed` counts only where the carrier proved that it took nothing.
CAUSES = ("no_answer", "busy", "failed")
MOST_ATTEMPTS = 10
SHORTEST_GAP_SECONDS = 10
LONGEST_GAP_SECONDS = 7 * 86_400
DEFAULT_GAP_SECONDS = 300
# The person said no, and that is an answer.
DECLINED = ("declined", "rejected")


@dataclass(frozen=True)
class RetryRule:
    """`attempts` dials at most, the first one included; the last of `gaps` holds for the rest."""

    causes: tuple[str, ...]
    attempts: int
    gaps: tuple[timedelta, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """From JSON: `{"causes", "attempts", "gaps": seconds}`; None where there is no rule.

        One that cannot be read is none: a call must be able to end.
        """
        if not stored:
            return None
        try:
            gaps = stored.get("gaps") or [DEFAULT_GAP_SECONDS]
            return cls(
                causes=tuple(stored["causes"]),
                attempts=int(stored["attempts"]),
                gaps=tuple(timedelta(seconds=gap) for gap in gaps),
            )
        except (KeyError, TypeError, ValueError):
            log.error("retry_rule_unreadable", rule=stored)
            return None

    def gap_after(
        self, status: str, *, reason: str, was_not_taken: bool, dials: int
    ) -> timedelta | None:
        """The wait before the next dial when the last of `dials` ended so; None: that was it.

        `was_not_taken`: it failed before any carrier took it, for a reason that may pass.
        """
        if status not in self.causes or reason in DECLINED or dials >= self.attempts:
            return None
        if status == "failed" and not was_not_taken:
            return None
        return self.gaps[min(dials, len(self.gaps)) - 1]
