"""Questions asked side by side, each with so much time: one that hangs holds up no other."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")


class Outcome(Generic[T]):
    """What a question came to: an answer, or the exception it raised; TimeoutError: neither yet."""

    def __init__(self, *, answer: T | None = None, error: BaseException | None = None) -> None:
        self._answer, self._error = answer, error

    def get(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # None only where T has it


def ask_all(questions: Mapping[str, Callable[[], T]], *, seconds: float) -> dict[str, Outcome[T]]:
    """The outcome of each question, by its name, after at most `seconds` for all of them."""
    came: queue.SimpleQueue[tuple[str, Outcome[T]]] = queue.SimpleQueue()
    for name, question in questions.items():
        # A daemon: what hangs in a driver must not keep the process from ending.
        threading.Thread(target=_ask, args=(name, question, came), daemon=True).start()
    outcomes: dict[str, Outcome[T]] = {}
    ends = time.monotonic() + seconds
    while len(outcomes) < len(questions):
        try:
            name, outcome = came.get(timeout=max(ends - time.monotonic(), 0))
        except queue.Empty:
            break
        outcomes[name] = outcome
    late: Outcome[T] = Outcome(error=TimeoutError())
    return {name: outcomes.get(name, late) for name in questions}


def _ask(
    name: str, question: Callable[[], T], came: "queue.SimpleQueue[tuple[str, Outcome[T]]]"
) -> None:
    try:
        outcome = Outcome(answer=question())
    except Exception as error:
        outcome = Outcome(error=error)
    finally:
        connections.close_all()
    came.put((name, outcome))
