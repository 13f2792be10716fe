"""What /metrics says: counters and histograms from tallies, gauges from rows at this moment.

All of it comes from the database, so every web process of every host gives the same answer.
"""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone
from prometheus_client.core import (
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from agents.models import Mode
from calls.models import ACTIVE, TERMINAL, WAITING
from core.version import VERSION
from operations import moment, tallies
from operations.families import Counted, counter_of, gauge_of, histogram_of
from operations.figures import COUNTED_TO
from operations.tallying import OUTCOMES
from webhooks.models import Subscription, Surface

UNKNOWN: tuple[str, ...] = ()
CARRIERS = {"carrier": list(settings.CARRIERS), "mode": Mode.values}
SURFACES = {"surface": Surface.values}
AT_MOST = f"; {COUNTED_TO + 1} stands for any greater number"


COUNTERS = (
    Counted(
        "outdial_calls_accepted",
        "Calls that were accepted, from any surface.",
        tallies.ACCEPTED,
        CARRIERS,
    ),
    Counted(
        "outdial_calls_ended",
        "Calls that ended, by how.",
        tallies.CALLS,
        {**CARRIERS, "outcome": TERMINAL},
    ),
    Counted(
        "outdial_call_reasons",
        "Calls that ended for a reason that has a name, by it.",
        tallies.CALLS,
        {"carrier": UNKNOWN, "mode": UNKNOWN, "outcome": UNKNOWN, "reason": UNKNOWN},
        needs="reason",
    ),
    Counted(
        "outdial_call_talk_seconds",
        "Seconds from answer to end of the calls that ended.",
        tallies.CALLS,
        CARRIERS,
        sums_seconds=True,
    ),
    Counted(
        "outdial_delivery_attempts",
        "Attempts to deliver an event: delivered, failed and tried again, or given up.",
        tallies.ATTEMPTS,
        {**SURFACES, "outcome": OUTCOMES},
    ),
    Counted(
        "outdial_delivery_failures",
        "Attempts to deliver an event that failed, by why.",
        tallies.ATTEMPTS,
        {"surface": UNKNOWN, "failure": UNKNOWN},
        needs="failure",
    ),
    Counted(
        "outdial_http_requests",
        "Requests answered; the admin's pages are one route.",
        tallies.HTTP,
        {"surface": UNKNOWN, "method": UNKNOWN, "route": UNKNOWN, "status": UNKNOWN},
    ),
)
HISTOGRAMS = (
    Counted(
        "outdial_dial_latency_seconds",
        "From the moment a call was due to the moment its carrier was asked, for each dial.",
        tallies.DIALS,
        CARRIERS,
    ),
    Counted(
        "outdial_delivery_attempt_duration_seconds",
        "How long attempts to deliver took.",
        tallies.ATTEMPTS,
        {**SURFACES, "outcome": OUTCOMES},
    ),
    Counted(
        "outdial_delivery_latency_seconds",
        "From an event to its first delivery, waits and retries included.",
        tallies.DELIVERIES,
        SURFACES,
    ),
    Counted(
        "outdial_http_request_duration_seconds",
        "How long answers took.",
        tallies.HTTP,
        {"surface": UNKNOWN, "method": UNKNOWN, "route": UNKNOWN},
    ),
)


class Metrics(Collector):
    """Read afresh for each scrape."""

    def describe(self) -> list[Metric]:
        return []  # or the registry would collect once to learn the names

    def collect(self) -> Iterator[Metric]:
        tallied = tallies.read()
        for counter in COUNTERS:
            yield counter_of(counter, tallied.get(counter.tally, ()))
        for histogram in HISTOGRAMS:
            yield histogram_of(histogram, tallied.get(histogram.tally, ()))
        yield from _gauges()
        yield InfoMetricFamily(
            "outdial_build",
            "What runs here.",
            value={"version": VERSION, "database": connection.vendor},
        )


# Gauges -------------------------------------------------------------------------------------------


def _gauges() -> Iterator[Metric]:
    now = timezone.now()
    yield from _of_calls()
    yield from _of_queues(now)
    yield gauge_of(
        "outdial_webhooks",
        "Webhooks, by whether they are told.",
        {"status": Subscription.Status.values},
        moment.webhooks(),
    )
    yield from _of_workers(now)


def _of_calls() -> Iterator[Metric]:
    yield gauge_of(
        "outdial_calls_live",
        "Calls that are dialled, ring or talk.",
        {**CARRIERS, "status": ACTIVE},
        moment.live_calls(),
    )
    yield gauge_of(
        "outdial_calls_waiting",
        f"Calls that wait for their turn or their time{AT_MOST}.",
        {"status": WAITING},
        moment.waiting_calls(),
    )


def _of_queues(now: datetime) -> Iterator[Metric]:
    queues = moment.queues(now=now)
    yield gauge_of(
        "outdial_queue_depth",
        f"What is due and not yet begun{AT_MOST}.",
        {"queue": UNKNOWN},
        {(name,): queue.depth for name, queue in queues.items()},
    )
    yield gauge_of(
        "outdial_queue_oldest_age_seconds",
        "For how long the first of what is due has been due.",
        {"queue": UNKNOWN},
        {(name,): queue.oldest_age for name, queue in queues.items()},
    )


def _of_workers(now: datetime) -> Iterator[Metric]:
    yield gauge_of(
        "outdial_worker_heard",
        "1 if a worker was heard from within the last minute.",
        {},
        {(): moment.is_worker_heard()},
    )
    yield gauge_of(
        "outdial_rollup_lag_seconds",
        "How long ago calls and attempts were last counted to the end; infinite if never.",
        {},
        {(): moment.rollup_lag(now=now)},
    )
