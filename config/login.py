"""How often somebody may try to log in: so many a minute for an address, fewer for a username."""

import math
import unicodedata

import structlog
from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from agents.throttling import count_locally

log = structlog.get_logger(__name__)


def seconds_to_wait(request: HttpRequest) -> int:
    """Count this try; how long the next one has to wait, 0 where it may be judged now.

    The password is not looked at before: whoever guesses learns nothing from a try too many.
    """
    waits = [
        _wait(request, "login-address", of=request.META["REMOTE_ADDR"], key="ip"),
        _wait(request, "login-username", of=_username(request), key=lambda *_: _username(request)),
    ]
    return max(waits)


def _username(request: HttpRequest) -> str:
    # However it is spelled, it is one name: each spelling would have tries of its own otherwise.
    given = request.POST.get("username", "")
    return unicodedata.normalize("NFKC", given).strip().casefold()


def _wait(request: HttpRequest, group: str, *, of: str, key: object) -> int:
    limit = settings.LOGINS_PER_MINUTE[group]
    try:
        usage = get_usage(request, group=group, key=key, rate=f"{limit}/m", increment=True)
    except Exception as broken:
        # Passwords can be guessed, so without the cache this process counts for itself.
        log.warning("limit_counted_locally", error=type(broken).__name__)
        count, left = count_locally(f"{group}:{of}")
        return max(math.ceil(left), 1) if count > limit else 0
    return max(int(usage["time_left"]), 1) if usage and usage["should_limit"] else 0
