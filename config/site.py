"""The operators' site."""

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from unfold.sites import UnfoldAdminSite


class OutdialAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    index_title = "Overview"

    def accounts_of(self, user: AbstractBaseUser | AnonymousUser) -> list[UUID] | None:
        """The accounts that every page of `user` is limited to; None: no limit."""
        from agents.access import accounts_of  # the site is made before the models

        return accounts_of(user)
