"""The interface of a carrier, what it is asked and answers, and the ways in which one fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from calls.reports import MessageReport, MessageSnapshot, Report, Results, Snapshot


@dataclass(frozen=True)
class CredentialField:
    """One thing that the carrier must be told to be used. A secret one is never shown again.

    `check` raises ValueError, with a sentence for the operator, for a text that cannot be right.
    """

    name: str
    label: str
    help: str = ""
    is_secret: bool = False
    is_required: bool = True
    check: Callable[[str], object] = str


@dataclass(frozen=True)
class DialOrder:
    """What a carrier needs to know of a call. Numbers are E.164, timeouts seconds.

    `dial_id` is ours and the same however often the carrier is asked; `carrier_id` is the
    carrier's, empty until it has said one; `ask` counts from 1. `callback_url` is where this
    server hears from the carrier about this dial; `/` and a word of the carrier's may be added.
    """

    dial_id: UUID
    call_id: UUID
    agent_id: UUID
    ask: int
    asked_at: datetime
    carrier_id: str
    from_number: str
    to_number: str
    prompt: str
    greeting: str
    params: Mapping[str, object]
    metadata: Mapping[str, object]
    language: str
    voice: str
    voice_url: str
    ring_timeout: int
    max_duration: int
    callback_url: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class MessageOrder:
    """What a carrier needs to know of a text message, in the words of DialOrder."""

    message_id: UUID
    agent_id: UUID
    ask: int
    asked_at: datetime
    carrier_id: str
    from_number: str
    to_number: str
    text: str
    callback_url: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Accepted:
    """The carrier took the order. `look_at`: when to ask it again, unless it reports by itself."""

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


@dataclass(frozen=True)
class Callback:
    """A request that a carrier made to `callback_url`, or to `callback_url`/`topic`.

    `url` is the address as the carrier knows it, with its query; `fields` are those of the query
    and of a form body.
    """

    method: str
    url: str
    topic: str
    headers: Mapping[str, str]
    body: bytes
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """What a callback said of a call, and how it is to be answered."""

    reports: tuple[Report, ...] = ()
    results: Results | None = None
    carrier_id: str = ""
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True)
class HeardOfMessage:
    """What a callback said of a message, and how it is to be answered."""

    reports: tuple[MessageReport, ...] = ()
    carrier_id: str = ""
    body: str = ""
    content_type: str = "text/plain"


class CallbackRefused(Exception):
    """The callback is not the carrier's (401), or it is and cannot be read (400)."""

    def __init__(self, message: str, *, is_forged: bool) -> None:
        super().__init__(message)
        self.is_forged = is_forged


class Carrier:
    """What calls and messages go out by. A carrier implements what it can do.

    Methods that ask it may block up to 10 s, run in any thread, and know nothing of the database;
    one instance serves them all. `hear` and `hear_of_message` do not ask anybody anything.
    """

    # What an account's credentials consist of; empty where the carrier needs none.
    credential_fields: ClassVar[tuple[CredentialField, ...]] = ()

    def default_credentials(self) -> Mapping[str, str]:
        """Those of the settings, for accounts that have none of their own."""
        return {}

    def check(self, credentials: Mapping[str, str]) -> str:
        """Ask the carrier whether it takes these, at no cost: what it said, as `active account`.

        Empty where it cannot be asked. Raises CarrierError, and CarrierUncertain.
        """
        return ""

    def dial(self, order: DialOrder) -> Accepted:
        """Place the call. Raises CarrierError; anything else raised counts as uncertain."""
        raise CarrierError("It places no calls", permanent=True, reason="not_supported")

    def fetch(self, order: DialOrder) -> Snapshot | None:
        """What the carrier knows of the order now; None when it never heard of it."""
        raise CarrierUncertain("It cannot be asked about its calls")

    def hang_up(self, order: DialOrder) -> None:
        """End the call, ringing or answered; one that has ended already is fine."""
        raise CarrierUncertain("It cannot be told to hang up")

    def send_sms(self, order: MessageOrder) -> Accepted:
        """Send the message. Raises CarrierError; anything else raised counts as uncertain."""
        raise CarrierError("It sends no messages", permanent=True, reason="not_supported")

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        """What the carrier knows of the message now; None when it never heard of it."""
        raise CarrierUncertain("It cannot be asked about its messages")

    def hear(self, callback: Callback, order: DialOrder) -> Heard:
        """Read a callback about the call, once it is proven to be the carrier's.

        Raises CallbackRefused."""
        raise CallbackRefused("It reports nothing by itself", is_forged=True)

    def hear_of_message(self, callback: Callback, order: MessageOrder) -> HeardOfMessage:
        """Read a callback about the message, once it is proven to be the carrier's.

        Raises CallbackRefused."""
        raise CallbackRefused("It reports nothing by itself", is_forged=True)
