"""Bodies: rendered once, when the event happens, and sent as they are ever after."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from core.ids import native_id
from core.times import rfc3339

# An event is never refused for its size: beyond this it is cut to what the two documents promise,
# and says so. The whole call stays at `GET calls/{id}`.
MAX_BYTES = 256 * 1024
NATIVE_FIELDS = ("callId", "messageId", "agentId", "duration", "status")
ZAPIER_FIELDS = ("id", "call_id", "agent_id", "campaign_id", "status")


def native_body(
    *, type: str, data: Mapping[str, object], event_id: UUID, created_at: datetime
) -> str:
    """`{"event", "data", "id", "created_at"}`: the API best practices' example, and two fields."""
    frame = {"id": native_id("evt", event_id), "created_at": rfc3339(created_at)}
    return _bounded({"event": type, "data": data, **frame}) or _compact(
        {"event": type, "data": _cut(data, NATIVE_FIELDS), **frame}
    )


def zapier_body(disposition: Mapping[str, object], *, event_id: UUID) -> str:
    """One object: the Zapier guide's fields, ours, and the event's id to tell duplicates by."""
    whole = {**disposition, "id": str(event_id)}
    return _bounded(whole) or _compact(_cut(whole, ZAPIER_FIELDS))


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
        "transcript": None,
        "summary": None,
        "recording_url": None,
    }


def _bounded(body: Mapping[str, object]) -> str:
    """The body; empty where it is larger than MAX_BYTES."""
    text = _compact(body)
    return text if len(text.encode()) <= MAX_BYTES else ""


def _cut(fields: Mapping[str, object], kept: Sequence[str]) -> dict[str, object]:
    return {**{name: fields[name] for name in kept if name in fields}, "truncated": True}


def _compact(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair, from wherever it came, is no UTF-8.
    return text.encode(errors="replace").decode()


def _finite(value: object) -> object:
    """`value` with null for NaN and Infinity, which Python writes and JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
