"""What a carrier tells us, in our words."""

from dataclasses import dataclass
from datetime import datetime

from calls.models import DialStatus, MessageStatus


@dataclass(frozen=True)
class Report:
    """The dial was in `status` at `at`. `reason` names why it failed, `answered_at` when known.

    `answered_by` is `human` or `machine` where the carrier has found out. `was_not_taken`: it
    failed before any carrier took it, for a reason that may pass.
    """

    status: DialStatus
    at: datetime
    reason: str = ""
    answered_at: datetime | None = None
    answered_by: str = ""
    was_not_taken: bool = False


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
    """The message was in `status` at `at`; `reason` names why it failed.

    `sent_at` is when it had been sent before, where one that failed had been: then it is paid for.
    """

    status: MessageStatus
    at: datetime
    reason: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True)
class MessageSnapshot:
    """All that the carrier says of a message now; `look_at` is when asking again makes sense."""

    reports: tuple[MessageReport, ...]
    look_at: datetime
