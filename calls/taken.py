"""Dials that carriers took, written down many at a time: the usual answer, and most of the work.

On PostgreSQL only. Whatever else was answered or has happened meanwhile is for calls.replies, which
does the same for one dial at a time, and so does SQLite.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from calls.carriers.base import Accepted
from calls.models import Status
from calls.questions import Job, Reply
from core.ids import native_id
from core.rows import is_postgresql, prepared_cursor

log = structlog.get_logger(__name__)


class Taken(NamedTuple):
    job: Job
    accepted: Accepted


def record_taken(replies: Sequence[Reply]) -> list[Reply]:
    """Write down those that say that a carrier took a dial; the others, which are left to do."""
    taken = [
        Taken(reply.job, reply.outcome)
        for reply in replies
        if reply.job.is_ask and isinstance(reply.outcome, Accepted)
    ]
    if not taken or not is_postgresql():
        return list(replies)
    try:
        written = _record_at_once(taken)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # One of them cannot be kept: alone, it does not hold up the others.
        log.exception("taken_not_recorded", dials=len(taken))
        return list(replies)
    return [reply for reply in replies if reply.job.order.dial_id not in written]


# Nothing where the call is not being dialled any more, or is to be canceled, where the lease is not
# ours any more, or a report has moved the dial on. A report or a cancellation locks the call first
# too, so none comes in between; and those that lock several do it in one order.
RECORD = """
WITH taken AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[])
                  AS taken (call_id, dial_id, token, carrier_id, look_at)
), held AS MATERIALIZED (
    SELECT id FROM calls_call
    WHERE id IN (SELECT call_id FROM taken) AND status = 'dialing' AND cancel_requested_at IS NULL
    ORDER BY id FOR NO KEY UPDATE
), moved AS (
    UPDATE calls_dial AS dial
    SET status = 'dialing', carrier_id = taken.carrier_id, lease_token = NULL,
        due_at = LEAST(taken.look_at, dial.deadline_at)
    FROM taken JOIN held ON held.id = taken.call_id
    WHERE dial.id = taken.dial_id AND dial.lease_token = taken.token
      AND dial.status = 'asking' AND dial.ended_at IS NULL
    RETURNING dial.id, dial.call_id
), line AS (
    INSERT INTO calls_callevent (call_id, dial_id, type, at, detail)
    SELECT call_id, id, 'accepted_by_carrier', %s, '{}' FROM moved
)
SELECT id FROM moved
"""


def _record_at_once(taken: Sequence[Taken]) -> set[UUID]:
    """The dials that were written down."""
    rows = [
        (job.order.call_id, job.order.dial_id, job.token, accepted.carrier_id, accepted.look_at)
        for job, accepted in taken
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    with prepared_cursor() as cursor:
        cursor.execute(RECORD, [*columns, timezone.now()])
        written = {row[0] for row in cursor.fetchall()}
    for job, _ in taken:
        if job.order.dial_id in written:
            _log_move(job)
    return written


def _log_move(job: Job) -> None:
    log.info(
        "call_moved",
        call=native_id("call", job.order.call_id),
        status=Status.DIALING.value,
        reason="",
        request_id=job.request_id,
        dial=str(job.order.dial_id),
    )
