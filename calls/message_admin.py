"""The operators' pages about text messages: what was sent, and what became of it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from agents.admin import MODE_LABELS, credits_text
from calls.explanations import MESSAGE_STATUSES, explain_message
from calls.models import Message
from calls.segments import UCS_2, encoding_of, split
from core.admin import NONE, ReadOnlyAdmin, at, table_of
from core.errors import InvalidNumber
from core.ids import parse_id
from core.phone import to_e164
from webhooks.admin import shown_delivery, with_attempts
from webhooks.models import Delivery

STATUS_LABELS = {
    "queued": "default",
    "sending": "info",
    "sent": "primary",
    "delivered": "success",
    "failed": "danger",
}
# What a row of the list shows of a text.
SHOWN_CHARACTERS = 40


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    account_path = "account"
    id_prefix = "sms"
    list_display = ["to_number", "shown_status", "why", "beginning", "agent", "account"]
    list_display += ["shown_mode", "accepted"]
    # Those that an index orders.
    sortable_by = ["to_number", "shown_status", "accepted"]
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
    search_help_text = "The recipient's number, with + and country code, or the message's id"
    fields = readonly_fields = ["accepted"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        if not search_term.strip():
            return queryset, False
        if message_id := parse_id("sms", search_term):
            return queryset.filter(id=message_id), False
        try:
            return queryset.filter(to_number=to_e164(search_term.strip())), False
        except InvalidNumber:
            return queryset.none(), False

    def page(self, obj: Message) -> dict[str, Any]:
        return _shown(obj)

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def shown_status(self, message: Message) -> tuple[str, str]:
        return message.status, message.get_status_display()

    @display(description="Reason")
    def why(self, message: Message) -> str:
        return message.reason.replace("_", " ") or NONE

    @display(description="Text")
    def beginning(self, message: Message) -> str:
        is_long = len(message.text) > SHOWN_CHARACTERS
        return message.text[: SHOWN_CHARACTERS - 1] + "…" if is_long else message.text

    @display(description="Mode", ordering="mode", label=MODE_LABELS)
    def shown_mode(self, message: Message) -> tuple[str, str]:
        return message.mode, message.get_mode_display()

    @display(description="Accepted (UTC)", ordering="created_at")
    def accepted(self, message: Message) -> str:
        return at(message.created_at)


def _shown(message: Message) -> dict[str, Any]:
    """A message as templates/admin/calls/message/change_form.html shows it."""
    deliveries = Delivery.objects.filter(event__subject=message.native_id)
    return {
        "message": message,
        "label": STATUS_LABELS[message.status],
        "mode_label": MODE_LABELS[message.mode],
        "meaning": MESSAGE_STATUSES[message.status],
        "explanation": explain_message(message.reason) if message.reason else "",
        "summary": _summary(message),
        "parts": split(message.text),
        "encoding": encoding_of(message.text),
        "is_ucs_2": encoding_of(message.text) == UCS_2,
        "deliveries": [
            shown_delivery(one) for one in with_attempts(deliveries).order_by("created_at", "id")
        ],
        "params": table_of(message.params),
    }


def _summary(message: Message) -> list[tuple[str, str]]:
    ended = [] if message.delivered_at else [("Ended (UTC)", at(message.ended_at))]
    return [
        ("Accepted (UTC)", at(message.created_at)),
        ("Sent (UTC)", at(message.sent_at)),
        ("Delivered (UTC)", at(message.delivered_at)),
        *ended,
        ("Segments", str(message.segments)),
        ("Cost in credits", NONE if message.cost is None else credits_text(message.cost)),
    ]
