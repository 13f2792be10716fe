"""An accepted call is written down: the call, the first lines of its timeline, and what is set
aside for it; all or nothing.

On PostgreSQL that is one statement, BOOK below. It locks the account's row, whose balance it looks
at, until the commit is on disk: so calls of one account that come in at the same moment are written
together (`core.together`). SQLite does the same step by step; nobody can tell which of them did it.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from agents.credits import reserve
from calls.models import Call, CallEvent
from core.errors import InsufficientCredits
from core.rows import as_json, columns_of, is_postgresql, mark_written, prepared_cursor
from core.together import Together

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 50


class Booking(NamedTuple):
    call: Call
    lines: Sequence[CallEvent]


def is_one_statement() -> bool:
    """Whether `book` needs no transaction around it."""
    return is_postgresql()


def book(call: Call, *, lines: Sequence[CallEvent]) -> None:
    """Write down the call, its timeline's first lines, and what is set aside for it.

    Raises InsufficientCredits, and IntegrityError where its client's id is taken. To be called in a
    transaction unless `is_one_statement`.
    """
    booking = Booking(call, lines)
    if not is_postgresql():
        _book_in_steps(booking)
    # What is one of several in a transaction cannot be written by another thread's.
    elif connection.in_atomic_block:
        _book_alone(booking)
    elif not _line.run(call.account_id, booking):
        _book_again(booking)


# PostgreSQL ---------------------------------------------------------------------------------------

# No row of `paid`: none of the others either. What a conditional UPDATE takes, nobody else has.
BOOK = """
WITH accepted AS MATERIALIZED (
    SELECT {columns} FROM jsonb_populate_recordset(NULL::calls_call, %s::jsonb) AS call
), due AS (
    SELECT account_id, sum(reserved) AS amount FROM accepted GROUP BY account_id
), taken AS (
    UPDATE agents_account AS account
    SET credits = credits - due.amount, reserved = account.reserved + due.amount
    FROM due WHERE account.id = due.account_id AND due.amount > 0
               AND (account.credits IS NULL OR account.credits >= due.amount)
    RETURNING account.id
), paid AS (
    SELECT id FROM taken UNION ALL SELECT account_id FROM due WHERE amount = 0
), made AS (
    INSERT INTO calls_call ({names})
    SELECT {columns} FROM accepted AS call JOIN paid ON paid.id = call.account_id RETURNING id
), told AS (
    INSERT INTO calls_callevent (call_id, type, at, detail)
    SELECT line.call_id, line.type, line.at, line.detail
    FROM ROWS FROM (
        jsonb_to_recordset(%s::jsonb) AS (call_id uuid, type text, at timestamptz, detail jsonb)
    ) WITH ORDINALITY AS line (call_id, type, at, detail, place)
    JOIN made ON made.id = line.call_id ORDER BY line.place
), booked AS (
    INSERT INTO agents_ledgerentry (account_id, kind, credits, reserved, subject_id, subject_type,
                                    reason, actor, created_at)
    SELECT call.account_id, 'reserve', -call.reserved, call.reserved, call.id, 'calls.call', '', '',
           now()
    FROM accepted AS call JOIN made USING (id) WHERE call.reserved > 0
)
SELECT count(*) FROM made
"""


def _book_alone(booking: Booking) -> None:
    if not _book_at_once([booking]):
        raise InsufficientCredits


def _book_again(booking: Booking) -> None:
    """Alone. Where only the answer was lost it is there, for nobody else makes a call of its id."""
    try:
        _book_alone(booking)
    except (IntegrityError, InsufficientCredits):
        if not Call.objects.filter(id=booking.call.id).exists():
            raise


def _try_to_book(bookings: Sequence[Booking]) -> bool:
    """False where they cost more together than there is, or one of them cannot be kept: each is
    looked at alone then, so that none pays for its neighbour. So is one whose connection broke."""
    try:
        if len(bookings) > 1:
            return _book_at_once(bookings)
        _book_alone(bookings[0])
        return True
    except Exception as error:
        is_lost = isinstance(error, OperationalError | InterfaceError)
        if len(bookings) == 1 and not is_lost:
            raise
        log.warning("not_booked_together", calls=len(bookings), error=type(error).__name__)
        connection.close_if_unusable_or_obsolete()
        return False


_line = Together(_try_to_book, most=MOST_AT_ONCE)


def _book_at_once(bookings: Sequence[Booking]) -> bool:
    calls = [as_json(call) for call, _ in bookings]
    lines = [
        {"call_id": line.call_id, "type": line.type, "at": line.at, "detail": line.detail}
        for _, first in bookings
        for line in first
    ]
    with prepared_cursor() as cursor:
        # What JSON does not know, PostgreSQL reads as Python writes it.
        cursor.execute(_book_sql(), [json.dumps(rows, default=str) for rows in (calls, lines)])
        (made,) = cursor.fetchone()
    if made < len(bookings):
        return False
    mark_written(call for call, _ in bookings)
    return True


@cache
def _book_sql() -> str:
    columns = columns_of(Call, alias="call")
    return BOOK.format(columns=columns, names=columns.replace("call.", ""))


# SQLite -------------------------------------------------------------------------------------------


def _book_in_steps(booking: Booking) -> None:
    call, lines = booking
    call.save(force_insert=True)
    for line in lines:
        line.save(force_insert=True)
    if call.reserved:
        reserve(call.account_id, amount=call.reserved, subject=call)
