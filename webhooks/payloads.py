"""Bodies: rendered once, when the event happens, and sent as they are ever after."""

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from core.ids import native_id
from core.times import rfc3339


def native_body(
    *, type: str, data: Mapping[str, object], event_id: UUID, created_at: datetime
) -> str:
    """`{"event", "data", "id", "created_at"}`: the API best practices' example, and two fields."""
    return _compact(
        {
            "event": type,
            "data": data,
            "id": native_id("evt", event_id),
            "created_at": rfc3339(created_at),
        }
    )


def zapier_body(disposition: Mapping[str, object], *, event_id: UUID) -> str:
    """One object: the Zapier guide's fields, ours, and the event's id to tell duplicates by."""
    return _compact({**disposition, "id": str(event_id)})


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
