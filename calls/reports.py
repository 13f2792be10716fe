"""What a carrier tells us, in our words."""

from dataclasses import dataclass
from datetime import datetime

from calls.models import DialStatus


@dataclass(frozen=True)
class Report:
    """The dial was in `status` at `at`. `reason` names why it failed, `answered_at` when known."""

    status: DialStatus
    at: datetime
    reason: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """All that the carrier says of a dial now; `look_at` is when asking again makes sense."""

    reports: tuple[Report, ...]
    look_at: datetime
