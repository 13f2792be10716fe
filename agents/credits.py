"""Credits: set aside when a call is accepted, charged when it ends. The ledger records each move.

Balances change by conditional UPDATE only, so no race takes one below zero; each move and its
ledger entry are written in one transaction.

What holds at every moment, for the sums over an account's entries:
- `reserved` is what the account has set aside.
- Where credits are counted, `credits` is its balance.
- Where they are not (credits are null), there is no balance to add up to. Both sums together are
  then what was given to it less what it has spent since it was made unlimited.
Whoever switches an account between the two books the difference, so that neither sum ever jumps
without an entry that says why.
"""

from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Model, Q, Sum
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Round
from django.utils import timezone

from agents.models import Account, LedgerEntry
from core.errors import InsufficientCredits
from core.rows import is_postgresql, prepared_cursor

Kind = LedgerEntry.Kind
DECIMAL_PLACES = 4
SMALLEST = Decimal(1).scaleb(-DECIMAL_PLACES)


@transaction.atomic
def top_up(account: Account, *, amount: Decimal, reason: str, actor: str = "") -> None:
    """Add `amount` credits to an account that counts them. `actor` is the operator's username."""
    _move(account.id, kind=Kind.TOP_UP, credits=amount, reason=reason, actor=actor)


@transaction.atomic
def correct(account: Account, *, amount: Decimal, reason: str, actor: str) -> None:
    """Add `amount`, or take it where it is negative. Raises InsufficientCredits for more than the
    account has to spend."""
    _move(account.id, kind=Kind.CORRECTION, credits=amount, reason=reason, actor=actor)


@transaction.atomic
def make_counted(account: Account, *, credits: Decimal, reason: str, actor: str) -> None:
    """From now on the account may spend `credits`, beside what is set aside for calls under way."""
    if _lock(account.id).credits is not None:
        return
    tally, _ = _sums(account.id)
    _switch(account.id, to=credits, booked=credits - tally, reason=reason, actor=actor)


@transaction.atomic
def make_unlimited(account: Account, *, reason: str, actor: str) -> None:
    """From now on the account spends without limit; what it has is written off."""
    if _lock(account.id).credits is None:
        return
    tally, reserved = _sums(account.id)
    _switch(account.id, to=None, booked=-tally - reserved, reason=reason, actor=actor)


def reserve(account_id: UUID, *, amount: Decimal, subject: Model) -> None:
    """Set `amount` aside for the call or message `subject`. Raises InsufficientCredits."""
    _move(account_id, kind=Kind.RESERVE, credits=-amount, reserved=amount, subject=subject)


def settle(account_id: UUID, *, reserved: Decimal, cost: Decimal, subject: Model) -> None:
    """Give back what `reserve` set aside for `subject`, less `cost`, which is at most that."""
    if is_postgresql():
        _settle_at_once(account_id, reserved=reserved, cost=cost, subject=subject)
        return
    _move(account_id, kind=Kind.RELEASE, credits=reserved, reserved=-reserved, subject=subject)
    if cost:
        _move(account_id, kind=Kind.CHARGE, credits=-cost, subject=subject)


def _move(
    account_id: UUID,
    *,
    kind: Kind,
    credits: Decimal,
    reserved: Decimal = Decimal(0),
    subject: Model | None = None,
    reason: str = "",
    actor: str = "",
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
        subject_id=subject.pk if subject else None,
        subject_type=subject._meta.label_lower if subject else "",
        reason=reason,
        actor=actor,
    )


# Each call ends with it, and whoever takes calls for the account waits for its row meanwhile.
SETTLE = """
WITH moved AS (
    UPDATE agents_account
    SET credits = credits + %(reserved)s - %(cost)s, reserved = reserved - %(reserved)s
    WHERE id = %(account_id)s AND (credits IS NULL OR credits + %(reserved)s >= %(cost)s)
    RETURNING id
)
INSERT INTO agents_ledgerentry (account_id, kind, credits, reserved, subject_id, subject_type,
                                reason, actor, created_at)
SELECT moved.id, entry.kind, entry.credits, entry.reserved, %(subject_id)s, %(subject_type)s,
       '', '', %(now)s
FROM moved, (VALUES (1, 'release', %(reserved)s::numeric, -%(reserved)s::numeric),
                    (2, 'charge', -%(cost)s::numeric, 0)) AS entry (place, kind, credits, reserved)
WHERE entry.place = 1 OR %(cost)s > 0
ORDER BY entry.place
"""


def _settle_at_once(account_id: UUID, *, reserved: Decimal, cost: Decimal, subject: Model) -> None:
    values = {
        "account_id": account_id,
        "reserved": reserved,
        "cost": cost,
        "subject_id": subject.pk,
        "subject_type": subject._meta.label_lower,
        "now": timezone.now(),
    }
    with prepared_cursor() as cursor:
        cursor.execute(SETTLE, values)
        if not cursor.rowcount:
            raise InsufficientCredits


def _switch(
    account_id: UUID, *, to: Decimal | None, booked: Decimal, reason: str, actor: str
) -> None:
    Account.objects.filter(id=account_id).update(credits=to)
    LedgerEntry.objects.create(
        account_id=account_id, kind=Kind.CORRECTION, credits=booked, reason=reason, actor=actor
    )


def _lock(account_id: UUID) -> Account:
    """Every move updates the account's row first, so none is under way once it is ours."""
    return Account.objects.select_for_update().get(id=account_id)


def _sums(account_id: UUID) -> tuple[Decimal, Decimal]:
    """What the account's entries add up to: credits and reserved."""
    entries = LedgerEntry.objects.filter(account_id=account_id)
    sums = entries.aggregate(credits=Sum("credits"), reserved=Sum("reserved"))
    credits, reserved = (sums[name] or Decimal(0) for name in ("credits", "reserved"))
    # SQLite adds them as floats.
    return credits.quantize(SMALLEST), reserved.quantize(SMALLEST)


def _exactly(sum: CombinedExpression) -> Round:
    """SQLite adds decimals as floats: ten times 0.1 must make 1."""
    return Round(sum, precision=DECIMAL_PLACES)
