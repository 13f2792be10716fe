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


def test_disposition(*, agent_id: UUID | None, event_id: UUID, now: datetime) -> dict[str, object]:
    """The shape of a real one, so that a Zap can run with it."""
    return {
        "call_id": str(event_id),
        "agent_id": str(agent_id),
        "campaign_id": None,
        "status": "completed",
        "reason": None,
        "duration": 0,
        "to_number": "+14155550123",
        "from_number": "+14155550100",
        "params": {"test": True, "message": "This is a test. No call was placed."},
        "started_at": rfc3339(now),
        "ended_at": rfc3339(now),
    }


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
