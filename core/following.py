"""Pages that follow what is under way: static/core/follow.js asks for their part again."""

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from core.admin import ReadOnlyAdmin

LOOK_EVERY = timedelta(seconds=1)
LOOK_SELDOM = timedelta(seconds=5)


class FollowedAdmin(ReadOnlyAdmin):
    """Its `page` says as `every` in how many milliseconds to ask again; None: it is over."""

    # The part of the page that changes; the page includes it in an element with `data-follow`.
    followed_template = ""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_live"
        view = self.admin_site.admin_view(self.live)
        return [path("<path:object_id>/live/", view, name=name), *super().get_urls()]

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_or_404(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        context = {**self.page(row), "opts": self.opts}
        response = TemplateResponse(request, self.followed_template, context)
        response["Cache-Control"] = "no-store"
        return response


def milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
