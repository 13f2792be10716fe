"""How often somebody may try to log in: so many a minute for an address, fewer for a user."""

import math
import unicodedata

import structlog
from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_ratelimit.core import get_usage

from agents.throttling import count_locally

log = structlog.get_logger(__name__)

# Of the periods of settings.LOGIN_LIMITS.
SECONDS = {"m": 60, "h": 3600}


def seconds_to_wait(request: HttpRequest) -> int:
    """Count this try; how long the next one has to wait, 0 where it may be judged now.

    The password is not looked at before: whoever guesses learns nothing from a try too many.
    """
    return max(
        _wait(request, "login-address", of=request.META["REMOTE_ADDR"]),
        _wait(request, "login-username", of=_username(request)),
    )


def seconds_to_wait_with_code(request: HttpRequest) -> int:
    """The same for who gave the password already, and now gives a code, or proves to be there."""
    user = str(request.user.pk)
    return max(
        _wait(request, "code-address", of=request.META["REMOTE_ADDR"]),
        _wait(request, "code-user", of=user),
        # A code is six digits: at five a minute, all day long, they would be found in months.
        _wait(request, "code-user-hour", of=user),
    )


def limited(site: AdminSite, request: HttpRequest, *, seconds: int) -> HttpResponse:
    """The page for a try too many."""
    context = {
        **site.each_context(request),
        "seconds": seconds,
        "login_url": request.get_full_path(),
    }
    return TemplateResponse(
        request,
        "admin/login_limited.html",
        context,
        status=429,
        headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
    )


def _username(request: HttpRequest) -> str:
    # However it is spelled, it is one name: each spelling would have tries of its own otherwise.
    given = request.POST.get("username", "")
    return unicodedata.normalize("NFKC", given).strip().casefold()


def _wait(request: HttpRequest, group: str, *, of: str) -> int:
    limit, period = settings.LOGIN_LIMITS[group]
    try:
        usage = get_usage(
            request, group=group, key=lambda *_: of, rate=f"{limit}/{period}", increment=True
        )
    except Exception as broken:
        # Passwords can be guessed, so without the cache this process counts for itself.
        log.warning("limit_counted_locally", error=type(broken).__name__)
        count, left = count_locally(f"{group}:{of}", seconds=SECONDS[period])
        return max(math.ceil(left), 1) if count > limit else 0
    return max(int(usage["time_left"]), 1) if usage and usage["should_limit"] else 0
