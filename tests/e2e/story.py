"""What the outside has seen of a call."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.receiver import Received


def assert_told_once(requests: Iterable[Received], call_id: str, events: list[str]) -> None:
    """Exactly these events came in, each exactly once."""
    told = _ids(requests, call_id)
    assert Counter({event: sum(ids.values()) for event, ids in told.items()}) == Counter(events)


def assert_told(requests: Iterable[Received], call_id: str, events: list[str]) -> None:
    """Exactly these events came in, and duplicates can be told by their id."""
    told = _ids(requests, call_id)
    assert {event: len(ids) for event, ids in told.items()} == dict.fromkeys(events, 1)


def _ids(requests: Iterable[Received], call_id: str) -> dict[str, Counter[str]]:
    """How often each webhook-id of each of the call's events came in."""
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for request in requests:
        body = request.json
        assert body["id"] == request.headers["webhook-id"]
        if body["data"]["callId"] == call_id:
            told[body["event"]][request.headers["webhook-id"]] += 1
    return told
