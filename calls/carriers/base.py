"""The interface of a carrier, and the two ways in which one fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from calls.reports import Snapshot


@dataclass(frozen=True)
class DialOrder:
    """What a carrier needs to know. Numbers are E.164, timeouts seconds.

    `dial_id` is ours and the same however often the carrier is asked; `carrier_id` is the
    carrier's, empty until it has said one; `ask` counts from 1.
    """

    dial_id: UUID
    call_id: UUID
    ask: int
    asked_at: datetime
    carrier_id: str
    from_number: str
    to_number: str
    prompt: str
    greeting: str
    params: Mapping[str, object]
    language: str
    voice: str
    ring_timeout: int
    max_duration: int


@dataclass(frozen=True)
class Accepted:
    """The carrier took the order."""

    carrier_id: str
    look_at: datetime


class CarrierError(Exception):
    """Proof that the carrier did not take the order; asking again is pointless when permanent.

    `reason` is the stable name of the failure.
    """

    def __init__(self, message: str, *, permanent: bool, reason: str) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.reason = reason


class CarrierUncertain(Exception):
    """The order went out and no answer came back: it may or may not have been taken."""


class Carrier(Protocol):
    """Methods may block up to 10 s, run in any thread, and know nothing of the database."""

    def dial(self, order: DialOrder) -> Accepted:
        """Place the call. Raises CarrierError; anything else raised counts as uncertain."""

    def fetch(self, order: DialOrder) -> Snapshot | None:
        """What the carrier knows of the order now; None when it never heard of it."""

    def hang_up(self, order: DialOrder) -> None:
        """End the call, ringing or answered; one that has ended already is fine."""
