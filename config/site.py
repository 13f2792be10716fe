"""The operators' site."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from config.navigation import sees

# The site is made before the models, so what knows them is imported where it is used.


class OutdialAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    index_title = "Overview"
    index_template = "admin/dashboard.html"

    def get_urls(self) -> list[Any]:
        return [
            path("doctor/", self.admin_view(self.doctor), name="doctor"),
            # Open to those who are not in yet; each looks for itself how far they have come.
            path("second-step/", never_cache(self.second_step), name="second_step"),
            path("second-factor/", never_cache(self.second_factor), name="second_factor"),
            *super().get_urls(),
        ]

    # Logging in -----------------------------------------------------------------------------------

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        from config.login import limited, seconds_to_wait
        from config.second_step import begin

        is_try = request.method == "POST"
        if is_try and (seconds := seconds_to_wait(request)):
            return limited(self, request, seconds=seconds)
        answer: HttpResponse = super().login(request, extra_context)
        if is_try and answer.status_code == 302:
            begin(request)
        return answer

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """It asks for the password in use, which is proof elsewhere: so each try counts as one."""
        from config.login import limited, seconds_to_wait_with_code

        if request.method == "POST" and (seconds := seconds_to_wait_with_code(request)):
            return limited(self, request, seconds=seconds)
        answer: HttpResponse = super().password_change(request, extra_context)
        return answer

    def has_permission(self, request: HttpRequest) -> bool:
        from config.second_step import is_let_in

        return bool(super().has_permission(request)) and is_let_in(request)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        from config.second_step import led_on

        guarded = super().admin_view(view, cacheable)

        def stepwise(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return led_on(request) or guarded(request, *args, **kwargs)

        return update_wrapper(stepwise, guarded)

    def second_step(self, request: HttpRequest) -> HttpResponse:
        from config.second_factor_pages import second_step

        return second_step(self, request)

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        from config.second_factor_pages import second_factor

        return second_factor(self, request)

    # Pages ----------------------------------------------------------------------------------------

    def accounts_of(self, user: AbstractBaseUser | AnonymousUser) -> list[UUID] | None:
        """The accounts that every page of `user` is limited to; None: no limit."""
        from agents.access import accounts_of

        return accounts_of(user)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from operations.dashboard import dashboard

        shown = dashboard(request, accounts=self.accounts_of(request.user))
        page: TemplateResponse = super().index(request, {**shown, **(extra_context or {})})
        return page

    def doctor(self, request: HttpRequest) -> HttpResponse:
        """What `manage.py doctor` says, for whoever says who may log in."""
        from operations.doctor.page import findings

        if not sees(request, "auth.user"):
            raise PermissionDenied
        context = {**self.each_context(request), "title": "Doctor", **findings()}
        return TemplateResponse(
            request, "admin/doctor.html", context, headers={"Cache-Control": "no-store"}
        )
