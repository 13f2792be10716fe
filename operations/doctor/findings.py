"""What a check finds: that all is well, or what is wrong and how it is mended."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """The worse, the higher."""

    OK = 0
    WARNING = 1
    FAILED = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """`text` says what is, `mend` what to do about it. Neither holds anything secret."""

    state: State
    text: str
    mend: str = ""


# One sentence where all is well, and each trouble by itself where it is not. May raise Finished.
Check = Callable[[], Iterable[Finding]]


def ok(text: str) -> Finding:
    return Finding(State.OK, text)


def warning(text: str, *, mend: str) -> Finding:
    return Finding(State.WARNING, text, mend)


def failed(text: str, *, mend: str) -> Finding:
    return Finding(State.FAILED, text, mend)


def first_line(error: BaseException) -> str:
    """What a driver says of a failure. Those asked here name hosts and users, never passwords."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
