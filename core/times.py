"""Times on the wire: RFC 3339, UTC, `Z`."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """`2025-01-01T00:00:00Z`; the fraction is kept where there is one, as milliseconds."""
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return f"{text}Z"
