"""The rows of calls: what was asked for, what became of it, and what may be called at all."""

from calls.models.call import (
    ACTIVE,
    ANSWERED,
    TERMINAL,
    WAITING,
    WAITS_FOR,
    Call,
    CallEvent,
    CallQuerySet,
    Dial,
    DialQuerySet,
    DialStatus,
    Status,
)
from calls.models.credentials import CarrierCredentials
from calls.models.erasure import ERASED, Erasure
from calls.models.idempotency import IdempotencyKey
from calls.models.message import MESSAGE_ENDS, Message, MessageQuerySet, MessageStatus
from calls.models.policy import CallingRules, DoNotCall

__all__ = [
    "ACTIVE",
    "ANSWERED",
    "ERASED",
    "MESSAGE_ENDS",
    "TERMINAL",
    "WAITING",
    "WAITS_FOR",
    "Call",
    "CallEvent",
    "CallQuerySet",
    "CallingRules",
    "CarrierCredentials",
    "Dial",
    "DialQuerySet",
    "DialStatus",
    "DoNotCall",
    "Erasure",
    "IdempotencyKey",
    "Message",
    "MessageQuerySet",
    "MessageStatus",
    "Status",
]
