"""A key's page with what the key was used for, which is counted above agents."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from agents.admin import ApiKeyAdmin
from agents.models import ApiKey
from operations.key_page import use_of

admin.site.unregister(ApiKey)


@admin.register(ApiKey)
class UsedKeyAdmin(ApiKeyAdmin):
    account_path = "account"
    change_form_outer_before_template = "admin/agents/apikey/use.html"
    change_form_outer_after_template = "admin/agents/apikey/use_by.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if key := kwargs["obj"]:
            range_ = request.GET.get("range", "")
            context |= {"use": use_of(key, range_=range_, now=timezone.now())}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response
