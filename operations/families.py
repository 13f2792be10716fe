"""Metric families as Prometheus takes them, summed from tallies or given."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from operations.tallies import BUCKETS, Tallied

Labels = tuple[str, ...]
# The values of a label, as far as they are known beforehand: series that begin at 0 have a first
# step that can be seen. With an empty one, a family has the series that there are rows for.
Known = Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class Counted:
    """A counter or a histogram: a tally, summed by some of its labels."""

    name: str
    help: str
    tally: str
    labels: Known
    # A label: what has it empty is left out.
    needs: str = ""
    sums_seconds: bool = False


def counter_of(counter: Counted, rows: Iterable[Tallied]) -> Metric:
    family = CounterMetricFamily(counter.name, counter.help, labels=list(counter.labels))
    sums: dict[Labels, float] = dict.fromkeys(product(*counter.labels.values()), 0)
    for row in rows:
        if counter.needs and not row.labels[counter.needs]:
            continue
        labels = tuple(row.labels[name] for name in counter.labels)
        sums[labels] = sums.get(labels, 0) + (row.seconds if counter.sums_seconds else row.count)
    for labels, value in sums.items():
        family.add_metric(labels, value)
    return family


def histogram_of(histogram: Counted, rows: Iterable[Tallied]) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.help, labels=list(histogram.labels))
    bounds = BUCKETS[histogram.tally]
    counts: dict[Labels, list[int]] = defaultdict(lambda: [0] * (len(bounds) + 1))
    seconds: dict[Labels, float] = dict.fromkeys(product(*histogram.labels.values()), 0.0)
    for row in rows:
        labels = tuple(row.labels[name] for name in histogram.labels)
        counts[labels][row.bucket] += row.count
        seconds[labels] = seconds.get(labels, 0.0) + row.seconds
    for labels, taken in seconds.items():
        family.add_metric(labels, _cumulative(counts[labels], bounds=bounds), taken)
    return family


def _cumulative(counts: Sequence[int], *, bounds: Sequence[float]) -> list[tuple[str, int]]:
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))


def gauge_of(name: str, help: str, labels: Known, values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, help, labels=list(labels))
    for at, value in {**dict.fromkeys(product(*labels.values()), 0), **values}.items():
        family.add_metric(at, value)
    return family
