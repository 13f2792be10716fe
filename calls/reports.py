"""What a carrier tells us, in our words."""

from dataclasses import dataclass
from datetime import datetime

from calls.models import DialStatus, MessageStatus


@dataclass(frozen=True)
class Report:
    """The dial was in `status` at `at`. `reason` names why it failed, `answered_at` when known.

    `answered_by` is `human` or `machine` where the carrier has found out.
    """

    status: DialStatus
    at: datetime
    reason: str = ""
    answered_at: datetime | None = None
    answered_by: str = ""


@dataclass(frozen=True)
class Results:
    """What a voice engine made of the conversation; empty where it said nothing of it."""

    transcript: str = ""
    summary: str = ""
    recording_url: str = ""


@dataclass(frozen=True)
class Snapshot:
    """All that the carrier says of a dial now; `look_at` is when asking again makes sense."""

    reports: tuple[Report, ...]
    look_at: datetime
    results: Results | None = None


@dataclass(frozen=True)
class MessageReport:
    """The message was in `status` at `at`; `reason` names why it failed."""

    status: MessageStatus
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class MessageSnapshot:
    """All that the carrier says of a message now; `look_at` is when asking again makes sense."""

    reports: tuple[MessageReport, ...]
    look_at: datetime
