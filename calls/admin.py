"""The operators' pages about calls: what was asked for, and what became of it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from agents.admin import MODE_LABELS
from agents.models import Account, Mode
from calls.admin_controls import CallControls
from calls.call_page import STATUS_LABELS
from calls.credentials_admin import CarrierCredentialsAdmin as CarrierCredentialsAdmin
from calls.message_admin import MessageAdmin as MessageAdmin
from calls.models import Call
from calls.policy_admin import CallingRulesAdmin as CallingRulesAdmin
from calls.serializers import RESULTS
from core.admin import NONE, at, seconds
from core.errors import InvalidNumber
from core.ids import parse_id
from core.phone import to_e164

__all__ = ["CallAdmin", "CarrierCredentialsAdmin"]  # both are registered by being imported


@admin.register(Call)
class CallAdmin(CallControls):
    account_path = "account"
    id_prefix = "call"
    list_display = ["to_number", "shown_status", "why", "agent", "account", "shown_mode"]
    list_display += ["talked", "placed"]
    # Those that an index orders.
    sortable_by = ["to_number", "shown_status", "placed"]
    list_filter = [
        ("account", AutocompleteSelectFilter),
        ("agent", AutocompleteSelectFilter),
        "status",
        "mode",
        "created_at",
    ]
    list_select_related = ["account", "agent"]
    ordering = ["-created_at", "-id"]
    search_fields = ["to_number"]
    search_help_text = "The number called, with + and country code, or the call's id"
    fields = readonly_fields = ["placed"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        calls: QuerySet[Call] = super().get_queryset(request)
        is_page = request.resolver_match and "object_id" in request.resolver_match.kwargs
        # A list of transcripts would be megabytes that nobody sees.
        return (
            calls.select_related("account", "agent", "api_key")
            if is_page
            else calls.defer(*RESULTS.values())
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        if not search_term.strip():
            return queryset, False
        if call_id := parse_id("call", search_term):
            return _by_either_id(queryset, call_id), False
        try:
            return queryset.filter(to_number=to_e164(search_term.strip())), False
        except InvalidNumber:
            return queryset.none(), False

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def shown_status(self, call: Call) -> tuple[str, str]:
        return call.status, call.get_status_display()

    @display(description="Reason")
    def why(self, call: Call) -> str:
        return call.reason.replace("_", " ") or NONE

    @display(description="Mode", ordering="mode", label=MODE_LABELS)
    def shown_mode(self, call: Call) -> tuple[str, str]:
        return call.mode, call.get_mode_display()

    @display(description="Talked")
    def talked(self, call: Call) -> str:
        return seconds(call.duration)

    @display(description="Placed (UTC)", ordering="created_at")
    def placed(self, call: Call) -> str:
        return at(call.created_at)


def _by_either_id(queryset: QuerySet[Call], call_id: Any) -> QuerySet[Call]:
    """By our id or, where none is ours, by the id that a Zapier client chose."""
    ours = queryset.filter(id=call_id)
    if ours.exists():
        return ours
    # All accounts and modes, because the only index on client_id begins with these.
    accounts = Account.objects.values("id")
    return queryset.filter(client_id=call_id, account__in=accounts, mode__in=Mode.values)
