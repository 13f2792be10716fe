"""How far a session has come: password, second factor, in.

Whoever is not in reaches nothing of the admin but the page of the next step, and the way out.
"""

from datetime import timedelta
from enum import Enum
from typing import cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from agents.second_factor import SecondFactor, factor_of

# In the session: the id of the factor that was proven, or that one has yet to be.
KEY = "second_factor"
WAITING = 0
# In the session: when the password was given, in seconds since 1970, and how long that proves
# that whoever uses the session is who logged in.
PASSWORD_AT = "password_given_at"  # noqa: S105 - no password
PASSWORD_LASTS = timedelta(minutes=5)


class Step(Enum):
    """What a session has to do next, by the page where it is done."""

    PASSWORD = "login"  # noqa: S105 - no password
    CODE = "second_step"
    SET_UP = "second_factor"
    IN = "index"


def next_step(request: HttpRequest) -> Step:
    user = request.user
    if not (user.is_active and getattr(user, "is_staff", False)):
        return Step.PASSWORD
    factor, proven = own_factor(request), request.session.get(KEY)
    if factor is not None:
        return Step.IN if proven == factor.pk else Step.CODE
    # It was reset meanwhile: whoever waited for it with half a login begins again.
    if proven == WAITING:
        return Step.PASSWORD
    return Step.SET_UP if settings.REQUIRE_TWO_FACTOR else Step.IN


def own_factor(request: HttpRequest) -> SecondFactor | None:
    """Asked several times for a page: one query, for a request may log in somebody else."""
    user_id = user_of(request).pk
    kept: dict[int, SecondFactor | None] = request.__dict__.setdefault("_factors", {})
    if user_id not in kept:
        kept[user_id] = factor_of(user_id)
    return kept[user_id]


def begin(request: HttpRequest) -> None:
    """The password was right just now: who has a second factor proves it, whatever was before."""
    request.session[PASSWORD_AT] = timezone.now().timestamp()
    if own_factor(request):
        request.session[KEY] = WAITING
    else:
        request.session.pop(KEY, None)


def gave_password_just_now(request: HttpRequest) -> bool:
    passed = timezone.now().timestamp() - float(request.session.get(PASSWORD_AT, 0))
    return 0 <= passed < PASSWORD_LASTS.total_seconds()


def let_in(request: HttpRequest, factor: SecondFactor) -> None:
    """The factor was proven. A session that somebody saw before is none from now on."""
    request.session.cycle_key()
    request.session[KEY] = factor.pk
    request.__dict__["_factors"] = {factor.user_id: factor}


def user_of(request: HttpRequest) -> User:
    """Whoever gave the password: pages that ask have seen to it that somebody has."""
    return cast(User, request.user)


def led_on(request: HttpRequest) -> HttpResponse | None:
    """To the step that is next, and back to this page later; None where nothing is in the way."""
    step = next_step(request)
    if step not in (Step.CODE, Step.SET_UP) or request.path == reverse("admin:logout"):
        return None
    query = urlencode({"next": request.get_full_path()})
    return redirect(f"{reverse(f'admin:{step.value}')}?{query}")


def is_let_in(request: HttpRequest) -> bool:
    """Whether this page is open to the session; the way out always is."""
    return next_step(request) == Step.IN or request.path == reverse("admin:logout")


def destination(request: HttpRequest) -> str:
    """Where the session was going, within this site."""
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("admin:index")
