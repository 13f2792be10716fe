"""Durations in fixed buckets: what was counted apart can be added up, and percentiles read off it.

Bounds double from 1 ms to 32.8 s, so a percentile is right to within a bucket, and inside of it we
go by the logarithm.
"""

from bisect import bisect_left
from collections.abc import Mapping

# The upper bounds, in seconds; one bucket more takes what is above the last.
BOUNDS: tuple[float, ...] = tuple(0.001 * 2**number for number in range(16))
BUCKETS = len(BOUNDS) + 1


def bucket_of(seconds: float) -> int:
    """The bucket for a duration: the first whose bound it does not exceed."""
    return bisect_left(BOUNDS, seconds)


def percentile(counts: Mapping[int, int], percent: float) -> float | None:
    """The seconds that `percent` of the counted durations do not exceed; None where there are none.

    `counts` says how many durations each bucket has.
    """
    wanted = sum(counts.values()) * percent / 100
    below = 0
    for bucket, count in sorted(counts.items()):
        if count and below + count >= wanted:
            return _inside(bucket, share=(wanted - below) / count)
        below += count
    return None


def _inside(bucket: int, *, share: float) -> float:
    if bucket >= len(BOUNDS):
        return BOUNDS[-1]
    upper = BOUNDS[bucket]
    return float(upper * share if bucket == 0 else upper * 2 ** (share - 1))
