"""The rows of calls: what was asked for, what became of it, and what may be called at all."""

from calls.models.call import (
    ACTIVE,
    ANSWERED,
    TERMINAL,
    WAITING,
    Call,
    CallEvent,
    CallQuerySet,
    Dial,
    DialQuerySet,
    DialStatus,
    IdempotencyKey,
    Status,
)

__all__ = [
    "ACTIVE",
    "ANSWERED",
    "TERMINAL",
    "WAITING",
    "Call",
    "CallEvent",
    "CallQuerySet",
    "Dial",
    "DialQuerySet",
    "DialStatus",
    "IdempotencyKey",
    "Status",
]
