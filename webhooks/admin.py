"""The operators' pages about who is told, and what became of telling them."""

import json
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from core.admin import NONE, ReadOnlyAdmin, at, seconds
from core.following import LOOK_EVERY, LOOK_SELDOM, milliseconds
from core.ids import parse_id
from core.rows import is_postgresql
from webhooks.admin_controls import DeliveryControls, SubscriptionControls, has_enabled
from webhooks.charts import charts_of
from webhooks.explanations import DELIVERY_STATUSES, explain
from webhooks.figures import figures_of
from webhooks.forms import SubscriptionForm
from webhooks.models import Attempt, Delivery, Event, Subscription, Surface
from webhooks.pages import PaginatorByWebhook
from webhooks.services import change_subscription, subscribe, unsubscribe

Status = Subscription.Status

DELIVERIES_SHOWN = 10
# An attempt that is so near is waited for on its delivery's page.
FOLLOWED_BEFORE = timedelta(seconds=30)
STATUS_LABELS = {"enabled": "success", "paused": "warning", "disabled": "danger"}
DELIVERY_LABELS = {
    "pending": "info",
    "retrying": "warning",
    "delivered": "success",
    "failed": "danger",
    "held": "warning",
    "canceled": "default",
}


# Webhooks -----------------------------------------------------------------------------------------


@admin.register(Subscription)
class SubscriptionAdmin(SubscriptionControls):
    form = SubscriptionForm
    account_path = "account"
    id_prefix = "whk"
    credential = "signing secret"
    advice = (
        "The receiving server needs it to check the signature of every event, "
        "so that it can tell ours from forged ones."
    )
    list_display = ["url", "account", "whose", "told_of", "shown_status", "health"]
    list_filter = [("account", AutocompleteSelectFilter), "status", "surface", "created_at"]
    list_select_related = ["account", "agent"]
    search_fields = ["url", "account__name"]
    search_help_text = "Part of the URL, name of the account, or the webhook's id"
    autocomplete_fields = ["account", "agent"]
    add_fieldsets = [
        (
            None,
            {
                "fields": [
                    "account",
                    "agent",
                    "url",
                    "events",
                    "requests_per_second",
                    "description",
                ]
            },
        ),
    ]
    fieldsets = [
        *add_fieldsets,
        ("State", {"fields": ["state", "why", "health"]}),
        ("About", {"fields": ["native_id", "id", "surface", "made"]}),
    ]
    # A status is changed by its buttons: a form that stood open would change it back.
    readonly_fields = ["state", "why", "health", "native_id", "id", "surface", "made"]
    actions_detail = [
        "send_test_event",
        "recover",
        "pause",
        "resume",
        "enable",
        {"title": "More", "icon": "more_horiz", "items": ["rotate_secret", "remove"]},
    ]
    change_form_outer_before_template = "admin/webhooks/subscription/health.html"
    change_form_outer_after_template = "admin/webhooks/subscription/activity.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.filter(deleted_at=None)

    def create(self, fields: dict[str, Any]) -> tuple[Subscription, str]:
        return subscribe(fields.pop("account"), **fields)

    def change(self, obj: Subscription, fields: dict[str, Any]) -> None:
        change_subscription(obj, **fields)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Subscription | None = None
    ) -> list[str]:
        if obj is None:
            return self.readonly_fields
        # Zapier made it and looks after it; here it can be paused and removed.
        zapiers = ["agent", "url", "events"] if obj.surface == Surface.ZAPIER else []
        return [*self.readonly_fields, "account", *zapiers]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if subscription := kwargs["obj"]:
            context |= activity_of(subscription)
            context |= charts_of(subscription, range_=request.GET.get("range", "day"))
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        # On a webhook's page the account is settled, and only its agents are offered.
        is_change = request.resolver_match and "object_id" in request.resolver_match.kwargs
        return ["account"] if is_change else self.autocomplete_fields

    @action(
        description="Remove",
        icon="delete",
        permissions=["change"],
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        subscription = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                subscription,
                title="Remove this webhook?",
                question="Nothing more is sent to it, and what was waiting is canceled. "
                "The log of its deliveries stays.",
                button="Remove webhook",
            )
        unsubscribe(subscription)
        listed = reverse("admin:webhooks_subscription_changelist")
        return self.done(request, subscription, message="The webhook is removed.", to=listed)

    @display(description="Agent", ordering="agent__name")
    def whose(self, subscription: Subscription) -> str:
        return str(subscription.agent) if subscription.agent else "all agents"

    @display(description="Events")
    def told_of(self, subscription: Subscription) -> str:
        if subscription.surface == Surface.ZAPIER:
            return "dispositions, for Zapier"
        return ", ".join(subscription.events)

    @display(description="Status")
    def state(self, subscription: Subscription) -> str:
        return subscription.get_status_display()

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def shown_status(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.status, subscription.get_status_display()

    @display(description="Why")
    def why(self, subscription: Subscription) -> str:
        return explain(subscription.status_reason) if subscription.status_reason else NONE

    @display(description="Health")
    def health(self, subscription: Subscription) -> str:
        waits = subscription.resumes_at and subscription.resumes_at > timezone.now()
        until = at(subscription.resumes_at) if waits else ""
        if subscription.failing_since:
            since = f"failing since {at(subscription.failing_since)}"
            return f"{since}; the next one is sent to it at {until}" if waits else since
        if waits:
            return f"asked us to wait until {until}"
        return "no failures"

    @display(description="Native id")
    def native_id(self, subscription: Subscription) -> str:
        return subscription.native_id

    @display(description="Created (UTC)", ordering="created_at")
    def made(self, subscription: Subscription) -> str:
        return at(subscription.created_at)


def activity_of(subscription: Subscription) -> dict[str, Any]:
    """How it does and what it was sent, as templates/admin/webhooks/subscription/ shows it."""
    figures = figures_of(subscription)
    rate = NONE if figures.success_rate is None else f"{figures.success_rate * 100:.1f}\u00a0%"
    listed = reverse("admin:webhooks_delivery_changelist")
    newest = with_attempts(Delivery.objects.filter(subscription=subscription))
    return {
        "figures": [
            ("Attempts", f"{figures.attempts:,}"),
            ("Succeeded", rate),
            ("Half within", seconds(figures.p50)),
            ("95 of 100 within", seconds(figures.p95)),
            ("Waiting now", f"{figures.backlog:,}"),
            ("Failing since", at(figures.failing_since)),
        ],
        "deliveries": [shown_delivery(one) for one in newest[:DELIVERIES_SHOWN]],
        "all_deliveries": f"{listed}?subscription__id__exact={subscription.id}",
    }


# Deliveries ---------------------------------------------------------------------------------------


def with_attempts(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Deliveries with all that their part of a page shows."""
    log = Prefetch("log", Attempt.objects.order_by("id"))
    return deliveries.select_related("event", "subscription").prefetch_related(log)


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery as templates/admin/parts/delivery.html shows it."""
    body = delivery.event.body_for(delivery.subscription.surface)
    status = shown_status(delivery)
    return {
        "row": delivery,
        "status": status,
        "label": DELIVERY_LABELS[status],
        "meaning": DELIVERY_STATUSES[status],
        "body": body,
        "pretty": pretty(body),
        "attempts": [shown_attempt(attempt) for attempt in delivery.log.all()],
        "may_redeliver": has_enabled(delivery),
    }


def shown_status(delivery: Delivery) -> str:
    """Its status, but that a pending one which has failed before is told from a fresh one."""
    is_retry = delivery.status == Delivery.Status.PENDING and delivery.attempts
    return "retrying" if is_retry else delivery.status


def shown_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "row": attempt,
        "took": seconds(attempt.duration),
        "label": "danger" if attempt.failure else "success",
        "outcome": str(attempt.response_status or attempt.failure.replace("_", " ")),
        "meaning": explain(attempt.failure) if attempt.failure else "",
    }


def pretty(body: str) -> str:
    """JSON as people read it; what is none, as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        return body


@admin.register(Delivery)
class DeliveryAdmin(DeliveryControls):
    account_path = "subscription__account"
    id_prefix = "dlv"
    followed_template = "admin/webhooks/delivery/story.html"
    list_display = ["made", "type", "url", "account", "standing", "attempts", "next_attempt"]
    # Any other order would sort every delivery there is; the filter finds a status.
    sortable_by = ["made"]
    list_filter = [
        ("subscription__account", AutocompleteSelectFilter),
        "status",
        "created_at",
    ]
    list_select_related = ["event", "subscription__account"]
    search_fields = ["id"]
    search_help_text = "Id of the delivery (dlv_…), the event (evt_…) or the call (call_…)"
    fields = readonly_fields = ["made"]
    actions = ["redeliver_selected"]
    list_disable_select_all = True
    actions_detail = ["redeliver"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if event_id := term.startswith("evt_") and parse_id("evt", term):
            return queryset.filter(event=event_id), False
        if delivery_id := parse_id("dlv", term):
            return queryset.filter(id=delivery_id), False
        return queryset.filter(event__subject=term), False

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Delivery], *args: Any, **kwargs: Any
    ) -> "Paginator[Any]":
        asked = request.GET.getlist(f"{self.account_path}__id__exact")
        accounts = [UUID(one) for one in asked if one] or self.accounts(request)
        paginator = self.paginator
        is_searched = bool(request.GET.get(SEARCH_VAR))
        if accounts is not None and not is_searched and is_postgresql():
            webhooks = Subscription.objects.filter(account__in=accounts)
            paginator = partial(PaginatorByWebhook, webhooks=webhooks)
        found: Paginator[Any] = paginator(queryset, *args, **kwargs)
        return found

    def page(self, obj: Delivery) -> dict[str, Any]:
        delivery = with_attempts(Delivery.objects.all()).get(id=obj.id)
        return {"delivery": shown_delivery(delivery), "every": _every(delivery)}

    @display(description="Created (UTC)", ordering="created_at")
    def made(self, delivery: Delivery) -> str:
        return at(delivery.created_at)

    @display(description="Event")
    def type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @display(description="Webhook")
    def url(self, delivery: Delivery) -> str:
        return delivery.subscription.url

    @display(description="Account")
    def account(self, delivery: Delivery) -> str:
        return str(delivery.subscription.account)

    @display(description="Status", label=DELIVERY_LABELS)
    def standing(self, delivery: Delivery) -> str:
        return shown_status(delivery)

    @display(description="Next (UTC)")
    def next_attempt(self, delivery: Delivery) -> str:
        return at(delivery.next_attempt_at)


def _every(delivery: Delivery) -> int | None:
    """How its page follows it: while an attempt is due, or about to be."""
    if delivery.status != Delivery.Status.PENDING or not delivery.next_attempt_at:
        return None
    is_near = delivery.next_attempt_at <= timezone.now() + FOLLOWED_BEFORE
    return milliseconds(LOOK_EVERY if is_near else LOOK_SELDOM)


# Events -------------------------------------------------------------------------------------------


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    account_path = "account"
    id_prefix = "evt"
    list_display = ["made", "type", "account", "agent", "subject"]
    sortable_by = ["made"]
    list_filter = [("account", AutocompleteSelectFilter), "created_at"]
    list_select_related = ["account", "agent"]
    search_fields = ["id"]
    search_help_text = "Id of the event (evt_…) or of the call (call_…)"
    fields = readonly_fields = ["made"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if event_id := parse_id("evt", term):
            return queryset.filter(id=event_id), False
        return queryset.filter(subject=term), False

    def page(self, obj: Event) -> dict[str, Any]:
        deliveries = with_attempts(Delivery.objects.filter(event=obj)).order_by("id")
        return {
            "event": obj,
            "pretty": pretty(obj.body),
            "deliveries": [shown_delivery(delivery) for delivery in deliveries],
        }

    @display(description="Happened (UTC)", ordering="created_at")
    def made(self, event: Event) -> str:
        return at(event.created_at)
