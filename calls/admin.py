"""The operators' pages about calls: what was asked for, and what became of it."""

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from agents.admin import MODE_LABELS, credits_text
from agents.models import Account, Mode
from calls.credentials_admin import CarrierCredentialsAdmin
from calls.explanations import REMARKS, explain, sentence
from calls.models import Call, CallEvent
from calls.serializers import RESULTS
from core.admin import NONE, ReadOnlyAdmin, at, seconds
from core.errors import InvalidNumber
from core.ids import parse_id
from core.phone import to_e164
from webhooks.admin import shown_delivery, with_attempts
from webhooks.models import Delivery

STATUS_LABELS = {
    "scheduled": "default",
    "queued": "default",
    "dialing": "info",
    "ringing": "info",
    "in_progress": "primary",
    "completed": "success",
    "voicemail": "info",
    "busy": "warning",
    "no_answer": "warning",
    "failed": "danger",
    "canceled": "default",
}
__all__ = ["CallAdmin", "CarrierCredentialsAdmin"]  # both are registered by being imported

LINE_LABELS = {**STATUS_LABELS, "refused_by_carrier": "warning", "carrier_answer_lost": "warning"}


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    id_prefix = "call"
    list_display = ["to_number", "shown_status", "why", "agent", "account", "shown_mode"]
    list_display += ["talked", "placed"]
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
        return calls if is_page else calls.defer(*RESULTS.values())

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

    def page(self, obj: Call) -> dict[str, Any]:
        return _shown(obj)

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


def _shown(call: Call) -> dict[str, Any]:
    """A call as templates/admin/calls/call/change_form.html shows it."""
    deliveries = Delivery.objects.filter(event__subject=call.native_id)
    return {
        "call": call,
        "label": STATUS_LABELS[call.status],
        "mode_label": MODE_LABELS[call.mode],
        "explanation": explain(call.reason) if call.reason else "",
        "summary": _summary(call),
        "timeline": _timeline(call),
        "dials": list(call.dials.all()),
        "deliveries": [
            shown_delivery(one) for one in with_attempts(deliveries).order_by("created_at", "id")
        ],
        "may_ring": seconds(call.ring_timeout),
        "may_last": seconds(call.max_duration),
        "params": _table(call.params),
        "metadata": _table(call.metadata),
    }


def _summary(call: Call) -> list[tuple[str, str]]:
    waited = call.started_at and seconds((call.started_at - call.created_at).total_seconds())
    return [
        ("Placed", at(call.created_at)),
        ("Answered", f"after {waited}" if waited else NONE),
        ("Talked", seconds(call.duration)),
        ("Ended", at(call.ended_at)),
        ("Cost in credits", NONE if call.cost is None else credits_text(call.cost)),
    ]


def _timeline(call: Call) -> list[dict[str, Any]]:
    lines = sorted(call.timeline.select_related("dial"), key=lambda line: (line.at, line.id))
    return [_line(line, placed_at=call.created_at) for line in lines]


def _line(line: CallEvent, *, placed_at: datetime) -> dict[str, Any]:
    reason = line.detail.get("reason", "")
    return {
        "at": line.at,
        "offset": seconds(max((line.at - placed_at).total_seconds(), 0)),
        "sentence": sentence(line.type),
        "label": LINE_LABELS.get(line.type, "default"),
        "remark": REMARKS.get(line.type) or reason.replace("_", " "),
        "carrier": line.detail.get("carrier", ""),
        "dial": line.dial,
    }


def _table(values: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What a client sent along, one row a name; nested values as JSON."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in (values or {}).items()
    ]
