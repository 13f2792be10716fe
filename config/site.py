"""The operators' site."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.sites import UnfoldAdminSite


class OutdialAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    index_title = "Overview"
    index_template = "admin/dashboard.html"

    def accounts_of(self, user: AbstractBaseUser | AnonymousUser) -> list[UUID] | None:
        """The accounts that the pages of `user` are limited to; None: no limit."""
        return None

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from operations.dashboard import dashboard  # the site is made before the models

        shown = dashboard(request, accounts=self.accounts_of(request.user))
        page: TemplateResponse = super().index(request, {**shown, **(extra_context or {})})
        return page
