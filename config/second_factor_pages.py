"""The pages about the second factor: the second step of logging in, and one's own app and codes."""

from collections.abc import Callable
from typing import Any

import segno
from cryptography.fernet import InvalidToken
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import mark_safe
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from agents import second_factor as factors
from config.login import limited, seconds_to_wait_with_code
from config.second_step import (
    Step,
    destination,
    gave_password_just_now,
    let_in,
    next_step,
    own_factor,
    user_of,
)
from core import secrets

# In the session while an app is set up: its secret, encrypted, and whose place it takes.
SETTING_UP = "second_factor_to_come"
ISSUER = "Outdial"
WRONG = "This code is not right, is too old, or was used before."


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )


class ProofForm(forms.Form):
    proof = forms.CharField(
        label="Your password, or a code",
        max_length=200,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    wrong = "Neither your password nor a code that can be used."


class PasswordForm(ProofForm):
    """For who has nothing else to prove it with yet."""

    proof = forms.CharField(
        label="Your password",
        max_length=200,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )
    wrong = "This is not your password."


# The second step ----------------------------------------------------------------------------------


def second_step(site: AdminSite, request: HttpRequest) -> HttpResponse:
    if next_step(request) != Step.CODE:
        return redirect(destination(request))
    form = CodeForm(request.POST or None)
    if request.method == "POST":
        if seconds := seconds_to_wait_with_code(request):
            return limited(site, request, seconds=seconds)
        factor = own_factor(request)
        if form.is_valid() and factor and factor.takes(form.cleaned_data["code"]):
            let_in(request, factor)
            return redirect(destination(request))
        if form.is_valid():
            form.add_error("code", WRONG)
    return _page(site, request, "second_step", form=form, title="Second step")


# One's own ----------------------------------------------------------------------------------------


def second_factor(site: AdminSite, request: HttpRequest) -> HttpResponse:
    if next_step(request) not in (Step.IN, Step.SET_UP):
        return redirect(f"admin:{next_step(request).value}")
    if request.method == "POST":
        return _act(site, request)
    # A session may be somebody else's by now: with an app of theirs they would lock its owner out.
    is_first = own_factor(request) is None and gave_password_just_now(request)
    return _show_secret(site, request) if is_first else _ask(site, request)


def _act(site: AdminSite, request: HttpRequest) -> HttpResponse:
    action = request.POST.get("action", "")
    if action == "confirm":
        return _confirm(site, request)
    allowed = CHANGES if own_factor(request) else BEGINNINGS
    if action not in allowed:
        return redirect("admin:second_factor")
    if seconds := seconds_to_wait_with_code(request):
        return limited(site, request, seconds=seconds)
    form = _proof_form(request)
    if not form.is_valid() or not _is_proven(request, form.cleaned_data["proof"]):
        form.add_error("proof", form.wrong)
        return _ask(site, request, form=form)
    return allowed[action](site, request)


def _is_proven(request: HttpRequest, proof: str) -> bool:
    factor = own_factor(request)
    return request.user.check_password(proof) or bool(factor and factor.takes(proof))


def _proof_form(request: HttpRequest) -> ProofForm:
    kind = ProofForm if own_factor(request) else PasswordForm
    return kind(request.POST or None)


def _ask(site: AdminSite, request: HttpRequest, *, form: ProofForm | None = None) -> HttpResponse:
    """For proof, and what is to be done with it."""
    factor = own_factor(request)
    left = factor.recovery_codes.count() if factor else 0
    return _page(
        site,
        request,
        "second_factor",
        form=form or _proof_form(request),
        factor=factor,
        left=left,
        may_remove=not settings.REQUIRE_TWO_FACTOR,
        title="Two-factor login",
    )


def _show_secret(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """The only page that ever shows it; asked for again, it shows another one."""
    secret, factor = factors.new_secret(), own_factor(request)
    request.session[SETTING_UP] = {
        "secret": secrets.encrypt(secret),
        "instead_of": factor and factor.pk,
    }
    address = factors.address_of(secret, username=request.user.get_username(), issuer=ISSUER)
    drawn = segno.make(address, error="m").svg_inline(scale=4, border=3, light="#fff")
    spelled = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return _page(
        site,
        request,
        "second_factor",
        form=CodeForm(),
        drawn=mark_safe(drawn),  # noqa: S308 - segno draws it; no text of anybody's is in it
        secret=spelled,
        is_setting_up=True,
        title="Set up two-factor login",
    )


def _confirm(site: AdminSite, request: HttpRequest) -> HttpResponse:
    secret, form = _secret_to_come(request), CodeForm(request.POST)
    if secret is None:
        return redirect("admin:second_factor")
    code = form.cleaned_data["code"].replace(" ", "") if form.is_valid() else ""
    step = factors.step_of(code, secret=secret) if code else None
    if step is None:
        if code:
            form.add_error("code", "This code is not right. Is the clock of your phone?")
        title = "Set up two-factor login"
        return _page(site, request, "second_factor", form=form, is_setting_up=True, title=title)
    new, codes = factors.set_up(user_of(request).pk, secret=secret, step=step)
    del request.session[SETTING_UP]
    let_in(request, new)
    _note(site, request, "Set up two-factor login.")
    return _show_codes(site, request, codes)


def _secret_to_come(request: HttpRequest) -> str | None:
    """What `_show_secret` showed; None where it has to be begun again."""
    kept, factor = request.session.get(SETTING_UP), own_factor(request)
    # Without proof nobody takes the place of an app that was set up elsewhere meanwhile.
    if not kept or kept["instead_of"] != (factor and factor.pk):
        return None
    try:
        return secrets.decrypt(kept["secret"])
    except InvalidToken:  # its key was taken out of ENCRYPTION_KEYS meanwhile
        return None


def _renew_codes(site: AdminSite, request: HttpRequest) -> HttpResponse:
    factor = own_factor(request)
    codes = factors.new_recovery_codes(factor) if factor else []
    _note(site, request, "Made new recovery codes.")
    return _show_codes(site, request, codes)


def _remove(site: AdminSite, request: HttpRequest) -> HttpResponse:
    if settings.REQUIRE_TWO_FACTOR:
        return redirect("admin:second_factor")
    factors.reset(user_of(request).pk)
    _note(site, request, "Removed two-factor login.")
    messages.success(request, "From now on your password alone lets you in.")
    return redirect("admin:index")


Change = Callable[[AdminSite, HttpRequest], HttpResponse]
# What takes proof: of who has an app, and of who has none yet.
CHANGES: dict[str, Change] = {
    "replace": _show_secret,
    "codes": _renew_codes,
    "remove": _remove,
}
BEGINNINGS: dict[str, Change] = {"begin": _show_secret}


def _show_codes(site: AdminSite, request: HttpRequest, codes: list[str]) -> HttpResponse:
    return _page(site, request, "recovery_codes", codes=codes, title="Keep your recovery codes")


def _page(site: AdminSite, request: HttpRequest, name: str, **shown: Any) -> HttpResponse:
    """With the menu only for those who are in."""
    is_in = next_step(request) == Step.IN
    layout = "admin/base_site.html" if is_in else "unfold/layouts/unauthenticated.html"
    context = {
        **site.each_context(request),
        "layout": layout,
        "is_in": is_in,
        "back": reverse("admin:index"),
        **shown,
    }
    return TemplateResponse(
        request, f"admin/{name}.html", context, headers={"Cache-Control": "no-store"}
    )


def _note(site: AdminSite, request: HttpRequest, message: str) -> None:
    site.get_model_admin(User).log_change(request, user_of(request), message)
