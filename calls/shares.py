"""What of a worker's slots is taken, so that one slow carrier cannot hold another's work."""

from collections import Counter
from typing import Self
from uuid import UUID

# Of the slots that a worker has for questions to carriers.
SLOTS = 128
CARRIER_SHARE = 96
ACCOUNT_SHARE = 48


class Shares:
    """How many questions are under way to each carrier, and for each account at it."""

    def __init__(self, taken: Counter[tuple[str, UUID]] | None = None) -> None:
        self._taken = Counter(taken or ())

    def take(self, carrier: str, account_id: UUID, *, times: int = 1) -> None:
        self._taken[carrier, account_id] += times

    def free(self, carrier: str, account_id: UUID) -> None:
        self._taken[carrier, account_id] -= 1
        if not self._taken[carrier, account_id]:
            del self._taken[carrier, account_id]

    def left(self, carrier: str, account_id: UUID) -> int:
        by_account = ACCOUNT_SHARE - self._taken[carrier, account_id]
        return min(by_account, CARRIER_SHARE - self._at(carrier))

    def full_carriers(self) -> list[str]:
        return [one for one in {carrier for carrier, _ in self._taken} if not self._has_room(one)]

    def full_accounts(self) -> list[tuple[str, UUID]]:
        return [pair for pair, taken in self._taken.items() if taken >= ACCOUNT_SHARE]

    def copy(self) -> Self:
        return type(self)(self._taken)

    def clear(self) -> None:
        self._taken.clear()

    def _has_room(self, carrier: str) -> bool:
        return self._at(carrier) < CARRIER_SHARE

    def _at(self, carrier: str) -> int:
        return sum(taken for (one, _), taken in self._taken.items() if one == carrier)
