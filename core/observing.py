"""What the server answered, for whoever wants to count it. `core` knows nobody who does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.responses import API, CARRIERS, ZAPIER

log = structlog.get_logger(__name__)

# Where authentication leaves the id of the key that it recognised. No client can set it: what
# clients send arrives under HTTP_.
KEY_ID = "API_KEY_ID"

# By how a path begins; what begins with none of them (probes, static files) is not observed.
SURFACES = {ZAPIER: "zapier", API: "native", CARRIERS: "carriers", "/admin/": "admin"}
API_SURFACES = ("native", "zapier")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer. `key_id` is None where no key was recognised.

    `route` is the pattern that the path fits, `method` one that HTTP knows: of either there is a
    bounded number, whatever clients send.
    """

    at: datetime
    key_id: UUID | None
    surface: str
    method: str
    route: str
    status: int
    seconds: float
    address: str

    @property
    def is_api(self) -> bool:
        return self.surface in API_SURFACES


Observer = Callable[[Answered], None]

_observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Tell `observer` of every answer from now on, in the thread that gave it: it must be quick."""
    if observer not in _observers:
        _observers.append(observer)


def tell(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    """Tell those who observe. Never raises: the answer is on its way."""
    surface = _surface_of(request)
    if not surface:
        return
    try:
        answered = Answered(
            at=timezone.now(),
            key_id=request.META.get(KEY_ID),
            surface=surface,
            method=request.method if request.method in METHODS else "other",
            route=_route_of(request, surface=surface),
            status=response.status_code,
            seconds=seconds,
            address=request.META.get("REMOTE_ADDR", ""),
        )
        for observer in _observers:
            observer(answered)
    except Exception:
        log.exception("answer_not_observed")


def _surface_of(request: HttpRequest) -> str:
    begins = (name for prefix, name in SURFACES.items() if request.path.startswith(prefix))
    return next(begins, "")


def _route_of(request: HttpRequest, *, surface: str) -> str:
    """One for all pages of the admin: they are many, and people know which one is slow."""
    if surface == "admin":
        return "/admin/"
    match = request.resolver_match
    return f"/{match.route}" if match else "unmatched"
