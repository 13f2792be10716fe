"""What goes wrong and when: all of it follows from a seed, so a run can be had again."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PROCESSES = {"worker": 4, "worker-2": 4, "web": 3, "beat": 3}
WIRES = {"database": 4, "redis": 3, "carrier": 4, "web": 3}
TEARS = {"cut": 5, "stall": 2, "swallow": 3, "refuse": 2}
# Seconds from one to the next, on average.
EVERY = {"freezes": 60, "services": 45, "wires": 12, "moods": 25}


@dataclass(frozen=True)
class Fault:
    """At `at` seconds `what` happens to `whom`, and it is over `lasts` seconds later.

    Faults of one lane follow one another; the lanes run side by side.
    """

    at: float
    lane: str
    what: str
    whom: str
    lasts: float


def plan(*, seed: int, seconds: float, kills: int) -> list[Fault]:
    dice = random.Random(seed)
    faults = [
        *_kills(dice, seconds=seconds, count=kills),
        *(_freeze(dice, at) for at in _times(dice, seconds, every=EVERY["freezes"])),
        *(_service(dice, at) for at in _times(dice, seconds, every=EVERY["services"])),
        *(_tear(dice, at) for at in _times(dice, seconds, every=EVERY["wires"])),
        *(_mood(dice, at) for at in _times(dice, seconds, every=EVERY["moods"])),
    ]
    return sorted(faults, key=lambda fault: fault.at)


def lanes(faults: Iterable[Fault]) -> dict[str, list[Fault]]:
    sorted_: dict[str, list[Fault]] = {}
    for fault in faults:
        sorted_.setdefault(fault.lane, []).append(fault)
    return sorted_


def _times(dice: random.Random, seconds: float, *, every: float) -> Sequence[float]:
    count = max(round(seconds / every), 1)
    return [_moment(dice, seconds, n, count) for n in range(count)]


def _moment(dice: random.Random, seconds: float, n: int, count: int) -> float:
    """Somewhere in the n-th of `count` equal parts."""
    return (n + dice.random()) * seconds / count


def _kills(dice: random.Random, *, seconds: float, count: int) -> Iterable[Fault]:
    for n in range(count):
        whom = _pick(dice, PROCESSES)
        # One lane for each, so that two may be dead at once.
        yield Fault(
            at=_moment(dice, seconds, n, count),
            lane=whom,
            what="kill -9",
            whom=whom,
            lasts=dice.choice([0, 0, 0, 1, 3]),
        )


def _freeze(dice: random.Random, at: float) -> Fault:
    """A worker that stands still for longer than its leases last, and goes on as if nothing was."""
    whom = dice.choice(["worker", "worker-2"])
    return Fault(at=at, lane=whom, what="freeze", whom=whom, lasts=dice.uniform(5, 25))


def _service(dice: random.Random, at: float) -> Fault:
    what, whom = dice.choice(
        [
            ("flush", "redis"),
            ("restart empty", "redis"),
            ("restart fast", "postgres"),
            ("restart immediate", "postgres"),
        ]
    )
    lasts = 0 if what == "flush" else dice.choice([0, 1, 4])
    return Fault(at=at, lane="services", what=what, whom=whom, lasts=lasts)


def _tear(dice: random.Random, at: float) -> Fault:
    what = _pick(dice, TEARS)
    lasts = {"cut": 0.0, "swallow": dice.uniform(0.2, 2)}.get(what, dice.uniform(0.5, 7))
    return Fault(at=at, lane="wires", what=what, whom=_pick(dice, WIRES), lasts=lasts)


def _mood(dice: random.Random, at: float) -> Fault:
    what, whom = dice.choice(
        [
            ("errors", "carrier"),
            ("slow", "carrier"),
            ("fails", "receivers"),
            ("hangs", "receivers"),
        ]
    )
    lasts = dice.uniform(3, 10) if whom == "carrier" else dice.uniform(10, 25)
    return Fault(at=at, lane="moods", what=what, whom=whom, lasts=lasts)


def _pick(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
