"""Use cases about the numbers that an account must not call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from agents.models import Account
from calls.do_not_call_file import Line
from calls.errors import NumberNotFound
from calls.models import DoNotCall
from core.errors import InvalidNumber
from core.phone import to_e164

# How many numbers one statement names.
BATCH = 5_000


def list_number(account: Account, *, number: str, note: str = "") -> tuple[DoNotCall, bool]:
    """The row of `number`, and whether it is new; one that is there stays as it is.

    Raises InvalidNumber for what is not written with + and country code.
    """
    defaults = {"note": note}
    return DoNotCall.objects.get_or_create(
        account=account, number=to_e164(number), defaults=defaults
    )


def find_number(account: Account, number: str) -> DoNotCall:
    """The account's row of `number`, with or without its +. Raises NumberNotFound."""
    try:
        e164 = to_e164(f"+{number.strip().removeprefix('+')}")
    except InvalidNumber:
        raise NumberNotFound from None
    row = DoNotCall.objects.for_account(account).filter(number=e164).first()
    if not row:
        raise NumberNotFound
    return row


@dataclass(frozen=True)
class Plan:
    """What the lines of a file come to. Each line is in one of the four."""

    new: Sequence[Line]
    listed: Sequence[Line]
    repeated: Sequence[Line]
    invalid: Sequence[Line]


def plan_import(account: Account, lines: Iterable[Line]) -> Plan:
    """What importing `lines` would do to the account's list, as it is now."""
    first: dict[str, Line] = {}
    repeated, invalid = [], []
    for line in lines:
        if line.complaint:
            invalid.append(line)
        elif line.number in first:
            repeated.append(replace(line, complaint=f"As in line {first[line.number].line}"))
        else:
            first[line.number] = line
    known = _known(account, list(first))
    return Plan(
        new=[line for line in first.values() if line.number not in known],
        listed=[line for line in first.values() if line.number in known],
        repeated=repeated,
        invalid=invalid,
    )


@transaction.atomic
def list_numbers(account: Account, *, notes: Mapping[str, str]) -> int:
    """Add all of these numbers (E.164, each with its note) or none; how many were new."""
    known = _known(account, list(notes))
    rows = [
        DoNotCall(account=account, number=number, note=note)
        for number, note in notes.items()
        if number not in known
    ]
    # Who adds one of them at the same moment is not in the way.
    DoNotCall.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    return len(rows)


def _known(account: Account, numbers: Sequence[str]) -> set[str]:
    rows = DoNotCall.objects.for_account(account)
    known: set[str] = set()
    for start in range(0, len(numbers), BATCH):
        some = rows.filter(number__in=numbers[start : start + BATCH])
        known.update(some.values_list("number", flat=True))
    return known
