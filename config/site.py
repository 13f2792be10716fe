"""The operators' site."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from unfold.sites import UnfoldAdminSite

from config.navigation import sees


class OutdialAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    index_title = "Overview"
    index_template = "admin/dashboard.html"

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        from config.login import seconds_to_wait  # the site is made before the models

        seconds = seconds_to_wait(request) if request.method == "POST" else 0
        if not seconds:
            answer: HttpResponse = super().login(request, extra_context)
            return answer
        context = {
            **self.each_context(request),
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

    def get_urls(self) -> list[Any]:
        own = [path("doctor/", self.admin_view(self.doctor), name="doctor")]
        return [*own, *super().get_urls()]

    def doctor(self, request: HttpRequest) -> HttpResponse:
        """What `manage.py doctor` says, for whoever says who may log in."""
        from operations.doctor.page import findings  # the site is made before the models

        if not sees(request, "auth.user"):
            raise PermissionDenied
        context = {**self.each_context(request), "title": "Doctor", **findings()}
        return TemplateResponse(
            request, "admin/doctor.html", context, headers={"Cache-Control": "no-store"}
        )

    def accounts_of(self, user: AbstractBaseUser | AnonymousUser) -> list[UUID] | None:
        """The accounts that every page of `user` is limited to; None: no limit."""
        from agents.access import accounts_of  # the site is made before the models

        return accounts_of(user)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from operations.dashboard import dashboard  # the site is made before the models

        shown = dashboard(request, accounts=self.accounts_of(request.user))
        page: TemplateResponse = super().index(request, {**shown, **(extra_context or {})})
        return page
