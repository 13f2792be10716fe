"""The operators' pages about calls: what was asked for, and what became of it."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from agents.admin import MODE_LABELS, credits_text
from agents.models import Account, Mode
from calls.credentials_admin import CarrierCredentialsAdmin as CarrierCredentialsAdmin
from calls.errors import CallAlreadyEnded
from calls.explanations import REMARKS, explain, sentence
from calls.message_admin import MessageAdmin as MessageAdmin
from calls.models import Call, CallEvent, Status
from calls.policy_admin import CallingRulesAdmin as CallingRulesAdmin
from calls.queue import place_of
from calls.serializers import RESULTS
from calls.services import cancel_call
from core.admin import NONE, ReadOnlyAdmin, at, page_of, seconds, table_of
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
LINE_LABELS["carrier_not_reached"] = "warning"


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    account_path = "account"
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
    actions_detail = ["cancel"]
    has_history = True

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

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        call = object_id and self.get_object(request, object_id)
        is_open = isinstance(call, Call) and not call.is_terminal and not call.cancel_requested_at
        return is_open and request.user.has_perm("calls.change_call")

    @action(
        description="Cancel", icon="call_end", permissions=["cancel"], variant=ActionVariant.DANGER
    )
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        call = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                call,
                title="Cancel this call?",
                question="While it waits or rings it is canceled, and nobody is charged. "
                "A conversation is hung up.",
                button="Cancel call",
            )
        try:
            cancel_call(call)
        except CallAlreadyEnded as ended:
            messages.warning(request, f"{ended.message}.")
            return redirect(page_of(call))
        return self.done(request, call, message="The call is being ended.")

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
        "waits": _waits(call),
        "may_ring": seconds(call.ring_timeout),
        "may_last": seconds(call.max_duration),
        "params": table_of(call.params),
        "metadata": table_of(call.metadata),
    }


def _summary(call: Call) -> list[tuple[str, str]]:
    waited = call.started_at and seconds((call.started_at - call.created_at).total_seconds())
    return [
        ("Placed (UTC)", at(call.created_at)),
        ("Answered", f"after {waited}" if waited else NONE),
        ("Talked", seconds(call.duration)),
        ("Ended (UTC)", at(call.ended_at)),
        ("Cost in credits", NONE if call.cost is None else credits_text(call.cost)),
    ]


def _waits(call: Call) -> str:
    """What a call that is not dialled yet waits for."""
    if call.status == Status.SCHEDULED:
        return f"To be dialled at {at(call.due_at)}."
    if call.status != Status.QUEUED:
        return ""
    position, wait = place_of(call, now=timezone.now())
    return f"Number {position} in its account's queue: about {seconds(wait)} to wait."


def _timeline(call: Call) -> list[dict[str, Any]]:
    lines = sorted(call.timeline.select_related("dial"), key=lambda line: (line.at, line.id))
    return [_line(line, placed_at=call.created_at) for line in lines]


def _line(line: CallEvent, *, placed_at: datetime) -> dict[str, Any]:
    return {
        "at": line.at,
        "offset": seconds(max((line.at - placed_at).total_seconds(), 0)),
        "sentence": sentence(line.type),
        "label": LINE_LABELS.get(line.type, "default"),
        "remark": REMARKS.get(line.type) or _because(line),
        "carrier": line.detail.get("carrier", ""),
        "dial": line.dial,
    }


def _because(line: CallEvent) -> str:
    reason: str = line.detail.get("reason", "").replace("_", " ")
    until = line.detail.get("until")
    return f"{reason}, until {at(datetime.fromisoformat(until))}" if until else reason
