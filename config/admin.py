"""The operators' site."""

from unfold.sites import UnfoldAdminSite


class OutdialAdminSite(UnfoldAdminSite):
    pass
