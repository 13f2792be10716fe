"""Prices: what a minute of a call and a segment of a message cost an account."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from agents.models import Price


@dataclass(frozen=True)
class Prices:
    """Credits for a started minute of a call, and for a segment of a message."""

    per_minute: Decimal
    per_segment: Decimal


def price_for(account_id: UUID, *, number: str) -> Prices:
    """What the account pays to reach `number` (E.164).

    Its own row with the longest matching prefix; without one, everybody's row with the longest;
    without any, the settings'.
    """
    theirs = Q(account_id=account_id) | Q(account=None)
    rows = list(Price.objects.filter(theirs, prefix__in=prefixes_of(number)))
    if not rows:
        return Prices(settings.CREDITS_PER_MINUTE, settings.CREDITS_PER_SEGMENT)
    best = max(rows, key=lambda row: (row.account_id is not None, len(row.prefix)))
    return Prices(best.per_minute, best.per_segment)


def prefixes_of(number: str) -> list[str]:
    """Each that could match: a + and up to 15 digits are few, so that is one look into an index."""
    return [number[:length] for length in range(2, len(number) + 1)]
