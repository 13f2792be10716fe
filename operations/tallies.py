"""Tallies: what happened since the first start, for monitors that watch how numbers grow.

Each is few rows, by the values of a few labels and by how long it took. They are added to where
what they count is written down or counted, by whichever process, so all of them know the same.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.histogram import BOUNDS
from operations.adding import add_up
from operations.models import Tally

ACCEPTED = "accepted"
DIALS = "dials"
CALLS = "calls"
ATTEMPTS = "attempts"
DELIVERIES = "deliveries"
HTTP = "http"

# Upper bounds in seconds, for what may wait for a turn or be tried again for days.
WAITS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400)

# By tally, what its labels are called.
LABELS: Mapping[str, Sequence[str]] = {
    ACCEPTED: ("carrier", "mode"),
    DIALS: ("carrier", "mode"),
    CALLS: ("carrier", "mode", "outcome", "reason"),
    ATTEMPTS: ("surface", "outcome", "failure"),
    DELIVERIES: ("surface",),
    HTTP: ("surface", "method", "route", "status"),
}
# Where there are none, only the sum of the seconds is kept.
BUCKETS: Mapping[str, Sequence[float]] = {
    DIALS: WAITS,
    ATTEMPTS: BOUNDS,
    DELIVERIES: WAITS,
    HTTP: BOUNDS,
}

Key = tuple[str, tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Tallied:
    """One row: what was tallied under some labels, in one bucket."""

    labels: Mapping[str, str]
    bucket: int
    count: int
    seconds: float


class Tallies:
    """What is to be added."""

    def __init__(self) -> None:
        self._sums: dict[Key, list[float]] = defaultdict(lambda: [0, 0.0])

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, name: str, *labels: str, seconds: float = 0.0) -> None:
        """Count one, which took so long."""
        bucket = bisect_left(BUCKETS.get(name, ()), seconds)
        sums = self._sums[name, labels, bucket]
        sums[0] += 1
        sums[1] += seconds

    def add_all(self, other: "Tallies") -> None:
        for key, sums in other._sums.items():
            self._sums[key] = [a + b for a, b in zip(self._sums[key], sums, strict=True)]

    def write(self) -> None:
        rows = {
            (name, json.dumps(labels), bucket): sums
            for (name, labels, bucket), sums in self._sums.items()
        }
        add_up(Tally, rows, by=["name", "labels", "bucket"], sums=["count", "seconds"])


def read() -> Mapping[str, Sequence[Tallied]]:
    """All that was ever tallied, by name."""
    tallied: dict[str, list[Tallied]] = defaultdict(list)
    for name, one in _rows():
        tallied[name].append(one)
    return tallied


def _rows() -> Iterator[tuple[str, Tallied]]:
    columns = ("name", "labels", "bucket", "count", "seconds")
    # A newer version that runs beside this one may tally more.
    known = Tally.objects.filter(name__in=LABELS).values_list(*columns)
    for name, values, bucket, count, seconds in known:
        labels = dict(zip(LABELS[name], json.loads(values), strict=True))
        yield name, Tallied(labels=labels, bucket=bucket, count=count, seconds=seconds)
