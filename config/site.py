"""The operators' site."""

from unfold.sites import UnfoldAdminSite


class OutdialAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    index_title = "Overview"
