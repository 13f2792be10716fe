"""Questions to carriers: take this dial, what became of it, hang it up.

They are put by threads that know nothing of the database.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.utils import timezone

from calls import lifecycle
from calls.carriers import carrier_named
from calls.carriers.base import Accepted, Carrier, CarrierError, CarrierUncertain, DialOrder
from calls.models import TERMINAL, DialStatus
from calls.reports import Snapshot

log = structlog.get_logger(__name__)

# Longer than a carrier may take to answer, so that a dial has one worker at a time.
LEASE = timedelta(seconds=15)

Outcome = Accepted | Snapshot | CarrierError | CarrierUncertain | None


@dataclass(frozen=True)
class Job:
    """One question to a carrier: take this dial, or what became of it."""

    order: DialOrder
    carrier: str
    account_id: UUID
    token: UUID | None
    request_id: str
    status: DialStatus
    is_ask: bool
    is_overdue: bool
    is_canceled: bool
    is_stray: bool

    def is_news(self, snapshot: Snapshot) -> bool:
        """Whether the carrier says more than we knew when this job was claimed."""
        here = lifecycle.ORDER[self.status]
        return any(lifecycle.ORDER[report.status] > here for report in snapshot.reports)


@dataclass(frozen=True)
class Reply:
    job: Job
    outcome: Outcome


def put(job: Job) -> Reply:
    """Ask the carrier; whatever it does, there is a reply."""
    return Reply(job=job, outcome=_outcome(job))


def _outcome(job: Job) -> Outcome:
    try:
        carrier = carrier_named(job.carrier)
        if job.is_ask:
            return _order(carrier, job)
        return _hang_up(carrier, job) if job.is_stray else _look(carrier, job)
    except (CarrierError, CarrierUncertain) as error:
        return error
    except Exception as error:
        # A carrier that fails in a way it did not foresee may have taken the order all the same.
        log.exception("carrier_broke", carrier=job.carrier)
        return CarrierUncertain(type(error).__name__)


def _order(carrier: Carrier, job: Job) -> Accepted:
    if timezone.now() >= job.order.asked_at + LEASE:
        raise CarrierError("Too late to ask", permanent=False, reason="lease_ran_out")
    log.info("carrier_asked", dial=str(job.order.dial_id), request_id=job.request_id)
    return carrier.dial(job.order)


def _look(carrier: Carrier, job: Job) -> Snapshot | None:
    snapshot = carrier.fetch(job.order)
    if job.is_canceled and _may_be_alive(snapshot, job):
        return _hang_up(carrier, job, snapshot)
    if job.is_overdue and snapshot and not job.is_news(snapshot):
        carrier.hang_up(job.order)
    return snapshot


def _may_be_alive(snapshot: Snapshot | None, job: Job) -> bool:
    if snapshot is None:
        return job.status is not DialStatus.ASKING  # it was taken, and should be known
    return not any(report.status in TERMINAL for report in snapshot.reports)


def _hang_up(carrier: Carrier, job: Job, snapshot: Snapshot | None = None) -> Snapshot:
    carrier.hang_up(job.order)
    return snapshot or Snapshot(reports=(), look_at=timezone.now())
