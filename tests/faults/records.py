"""What a fault run writes down, as the world outside the product saw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

TERMINAL = ("completed", "voicemail", "busy", "no_answer", "failed", "canceled")
ANSWERED = ("completed", "voicemail")


@dataclass(frozen=True)
class Order:
    """A request for a call, and what its client heard: the ids of every 201, the first refusal.

    Each has a number of its own, so that whoever is dialled tells by which request.
    """

    account: str
    number: str
    mode: str
    most_dials: int
    was_canceled: bool
    call_ids: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Call:
    """A call as `GET calls` shows it when all is over, and the id of its last try if it had one."""

    account: str
    id: str
    number: str
    mode: str
    agent_id: str
    status: str
    reason: str
    was_answered: bool
    has_end: bool
    seconds: int | None
    cost: Decimal | None
    last_dial: str


@dataclass(frozen=True)
class Dial:
    """What the carrier has of one order to dial.

    `orders` counts how often it came in and was not refused with a 429: what a product that dials
    once may do once. `outcome` is how it ended for the carrier: empty while it has not, and
    `untaken` where the carrier dropped it. `is_plain`: nothing was kept from the product.
    """

    id: str
    call_id: str
    number: str
    at: float
    orders: int
    outcome: str
    is_plain: bool


@dataclass(frozen=True)
class Listener:
    """A subscription. Zapier's are told of ends alone; empty `agent_id`: of every agent's calls."""

    name: str
    account: str
    surface: str
    agent_id: str = ""


@dataclass(frozen=True)
class Told:
    """One request that a listener got. Zapier's bodies name no type, so theirs is empty."""

    listener: str
    event_id: str
    type: str
    call_id: str
    status: str
    digest: str
    is_signed: bool


@dataclass(frozen=True)
class Books:
    """An account's money: what it was given, and what the product says of it."""

    account: str
    given: Decimal
    balance: Decimal
    reserved: Decimal
    entries: Decimal
    entries_reserved: Decimal
    active_calls: int
    queued_calls: int


@dataclass(frozen=True)
class Evidence:
    """All that the checks go by. `leftovers` counts rows that should be none, by what they are."""

    orders: Sequence[Order] = ()
    calls: Sequence[Call] = ()
    dials: Sequence[Dial] = ()
    listeners: Sequence[Listener] = ()
    told: Sequence[Told] = ()
    books: Sequence[Books] = ()
    leftovers: Mapping[str, int] = field(default_factory=dict)
