"""What the server answered, for whoever wants to count it. `core` knows nobody who does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.responses import ZAPIER

log = structlog.get_logger(__name__)

# Where authentication leaves the id of the key that it recognised. No client can set it: what
# clients send arrives under HTTP_.
KEY_ID = "API_KEY_ID"


@dataclass(frozen=True, slots=True)
class Answered:
    """One request to the API. `key_id` is None where no key was recognised."""

    at: datetime
    key_id: UUID | None
    surface: str
    status: int
    seconds: float
    address: str


Observer = Callable[[Answered], None]

_observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Tell `observer` of every answer from now on, in the thread that gave it: it must be quick."""
    if observer not in _observers:
        _observers.append(observer)


def tell(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    """Tell those who observe. Never raises: the answer is on its way."""
    try:
        answered = Answered(
            at=timezone.now(),
            key_id=request.META.get(KEY_ID),
            surface="zapier" if request.path.startswith(ZAPIER) else "native",
            status=response.status_code,
            seconds=seconds,
            address=request.META.get("REMOTE_ADDR", ""),
        )
        for observer in _observers:
            observer(answered)
    except Exception:
        log.exception("answer_not_observed")
