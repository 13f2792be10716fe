"""Credits: set aside when a call is accepted, charged when it ends. The ledger records each move.

Balances change by conditional UPDATE only, so no race takes one below zero; each move and its
ledger entry are written in the caller's transaction.
"""

from decimal import Decimal
from uuid import UUID

from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Round

from agents.models import Account, LedgerEntry
from core.errors import InsufficientCredits

Kind = LedgerEntry.Kind
DECIMAL_PLACES = 4


def top_up(account: Account, *, amount: Decimal, reason: str) -> None:
    """Add `amount` credits to an account that counts them."""
    _move(account.id, kind=Kind.TOP_UP, credits=amount, reason=reason)


def reserve(account_id: UUID, *, amount: Decimal, subject_id: UUID) -> None:
    """Set `amount` aside for the call `subject_id`. Raises InsufficientCredits."""
    _move(account_id, kind=Kind.RESERVE, credits=-amount, reserved=amount, subject_id=subject_id)


def settle(account_id: UUID, *, reserved: Decimal, cost: Decimal, subject_id: UUID) -> None:
    """Give back what `reserve` set aside for `subject_id`, less `cost`, which is at most that."""
    _move(
        account_id, kind=Kind.RELEASE, credits=reserved, reserved=-reserved, subject_id=subject_id
    )
    if cost:
        _move(account_id, kind=Kind.CHARGE, credits=-cost, subject_id=subject_id)


def _move(
    account_id: UUID,
    *,
    kind: Kind,
    credits: Decimal,
    reserved: Decimal = Decimal(0),
    subject_id: UUID | None = None,
    reason: str = "",
) -> None:
    affordable = Q(credits=None) | Q(credits__gte=-credits)
    moved = Account.objects.filter(affordable, id=account_id).update(
        credits=_exactly(F("credits") + credits), reserved=_exactly(F("reserved") + reserved)
    )
    if not moved:
        raise InsufficientCredits
    LedgerEntry.objects.create(
        account_id=account_id,
        kind=kind,
        credits=credits,
        reserved=reserved,
        subject_id=subject_id,
        reason=reason,
    )


def _exactly(sum: CombinedExpression) -> Round:
    """SQLite adds decimals as floats: ten times 0.1 must make 1."""
    return Round(sum, precision=DECIMAL_PLACES)
