"""Percentiles of durations that were only counted by bucket."""

from collections import Counter

import pytest

from core.histogram import BOUNDS, BUCKETS, bucket_of, percentile


def test_bounds_double_from_a_millisecond() -> None:
    assert (BOUNDS[0], BOUNDS[1], BOUNDS[-1]) == (0.001, 0.002, 32.768)
    assert [bucket_of(seconds) for seconds in (0, 0.001, 0.0011, 0.002, 32.768, 33)] == [
        0,
        0,
        1,
        1,
        15,
        16,
    ]
    assert bucket_of(10_000) == BUCKETS - 1


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 50) is None
    assert percentile({3: 0}, 50) is None


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_percentiles_are_right_to_within_their_bucket(percent: int) -> None:
    durations = [0.003 * 1.02**number for number in range(400)]
    counts = Counter(bucket_of(seconds) for seconds in durations)

    exact = durations[400 * percent // 100 - 1]
    found = percentile(counts, percent)

    assert found == pytest.approx(exact, rel=0.5)


def test_what_is_above_all_bounds_is_the_last_bound() -> None:
    assert percentile({BUCKETS - 1: 5}, 50) == BOUNDS[-1]


def test_counts_add_up() -> None:
    assert percentile({4: 10, 8: 10}, 50) == pytest.approx(BOUNDS[4])
    assert percentile({4: 10, 8: 10}, 100) == pytest.approx(BOUNDS[8])
