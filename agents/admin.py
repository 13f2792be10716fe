"""The operators' pages about accounts, their keys, their agents and their credits."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from agents.admin_controls import CreditControls
from agents.admin_controls import credits_text as credits_text
from agents.forms import (
    AccountForm,
    AgentForm,
    ApiKeyForm,
    CallerIdForm,
    OpeningForm,
    PriceForm,
    RotationForm,
)
from agents.models import Account, Agent, ApiKey, CallerId, LedgerEntry, Price, UnusualUse
from agents.services import (
    change_agent,
    create_agent,
    create_key,
    disable_agent,
    open_account,
    revoke_key,
    rotate_agent_secret,
    rotate_key,
)
from agents.unusual import dismiss
from core.admin import (
    NONE,
    CreatingRequest,
    ReadOnlyAdmin,
    ServiceAdmin,
    actor_of,
    at,
    labelled,
    native_link,
    page_of,
)
from core.errors import Conflict

ROWS_OF_LEDGER = 20
KIND_LABELS = {"top_up": "success", "reserve": "info", "release": "default", "charge": "warning"}
KIND_LABELS |= {"correction": "primary"}
STATE_LABELS = {"active": "success", "enabled": "success", "expired": "warning"}
STATE_LABELS |= {"replaced": "info"}
STATE_LABELS |= {"revoked": "danger", "disabled": "danger"}
USE_LABELS = {"unusual": "danger"}
MARKS_SHOWN = 10
MODE_LABELS = {"live": "primary", "test": "default"}


# Accounts -----------------------------------------------------------------------------------------


class LedgerColumns:
    """How a movement of credits reads, on its list and on its account."""

    @display(description="Time (UTC)", ordering="id")
    def time(self, entry: LedgerEntry) -> str:
        return at(entry.created_at)

    @labelled(description="Movement", labels=KIND_LABELS)
    def movement(self, entry: LedgerEntry) -> tuple[str, str]:
        return entry.kind, entry.get_kind_display()

    @display(description="Credits")
    def amount(self, entry: LedgerEntry) -> str:
        return f"{entry.credits.normalize():+,f}"

    @display(description="Set aside")
    def set_aside(self, entry: LedgerEntry) -> str:
        return f"{entry.reserved.normalize():+,f}" if entry.reserved else NONE

    @display(description="For")
    def purpose(self, entry: LedgerEntry) -> str:
        # What an operator did has a reason instead.
        if not entry.subject_id:
            return entry.reason or NONE
        # Entries of old do not say what they were for.
        if not entry.subject_type:
            return entry.subject_id.hex
        return native_link(entry.subject_type, entry.subject_id, site=admin.site)

    @display(description="By")
    def operator(self, entry: LedgerEntry) -> str:
        return entry.actor or NONE


class LedgerInline(LedgerColumns, TabularInline):
    model = LedgerEntry
    fields = readonly_fields = ["time", "movement", "amount", "set_aside", "purpose", "operator"]
    per_page = ROWS_OF_LEDGER
    extra = 0
    tab = True
    hide_title = True
    verbose_name_plural = "Ledger"

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Account)
class AccountAdmin(CreditControls):
    account_path = "id"
    list_display = ["name", "balance", "in_use", "max_concurrent_calls", "opened"]
    search_fields = ["name"]
    search_help_text = "Name, or the account's id"
    add_fieldsets = [(None, {"fields": ["name", "credits"]})]
    fieldsets = [
        (None, {"fields": ["name", ("max_concurrent_calls", "calls_per_second")]}),
        ("Credits", {"fields": ["balance", "in_use"]}),
        ("About", {"fields": ["id", "opened"]}),
    ]
    readonly_fields = ["id", "balance", "in_use", "opened"]
    actions_detail = ["top_up", "correct", "make_unlimited", "make_counted"]

    def create(self, fields: dict[str, Any]) -> tuple[Account, str]:
        return open_account(**fields), ""

    def save_form(
        self, request: CreatingRequest, form: "forms.ModelForm[Any]", change: bool
    ) -> Model:
        if not change:
            form.cleaned_data["actor"] = actor_of(request)
        return super().save_form(request, form, change)

    def get_form(
        self, request: HttpRequest, obj: Account | None = None, **kwargs: Any
    ) -> "type[forms.ModelForm[Account]]":
        # Only an opening may name the credits: later a form's copy of them would be out of date.
        kwargs["form"] = AccountForm if obj else OpeningForm
        form: type[forms.ModelForm[Account]] = super().get_form(request, obj, **kwargs)
        return form

    def get_inlines(self, request: HttpRequest, obj: Account | None) -> list[type[TabularInline]]:
        return [LedgerInline] if obj else []

    @display(description="Credits", ordering="credits")
    def balance(self, account: Account) -> str:
        return credits_text(account.credits)

    @display(description="Set aside", ordering="reserved")
    def in_use(self, account: Account) -> str:
        return credits_text(account.reserved)

    @display(description="Opened (UTC)", ordering="created_at")
    def opened(self, account: Account) -> str:
        return at(account.created_at)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(LedgerColumns, ReadOnlyAdmin):
    account_path = "account"
    list_display = ["time", "account", "movement", "amount", "set_aside", "purpose", "operator"]
    list_filter = [("account", AutocompleteSelectFilter), "kind", "created_at"]
    list_select_related = ["account"]
    fields = readonly_fields = list_display


@admin.register(Price)
class PriceAdmin(ServiceAdmin):
    form = PriceForm
    account_path = "account"
    # Calls keep the price they were accepted at: nothing refers to the row.
    deletes = True
    list_display = ["prefix", "whose", "minute", "segment"]
    list_filter = [("account", AutocompleteSelectFilter)]
    list_select_related = ["account"]
    search_fields = ["prefix__startswith", "account__name"]
    search_help_text = "Start of the prefix, or the account's name"
    autocomplete_fields = ["account"]
    fields = ["prefix", "account", "per_minute", "per_segment"]

    def create(self, fields: dict[str, Any]) -> tuple[Price, str]:
        return Price.objects.create(**fields), ""

    @display(description="For", ordering="account__name")
    def whose(self, price: Price) -> str:
        return price.account.name if price.account else "everybody"

    @display(description="Credits a minute", ordering="per_minute")
    def minute(self, price: Price) -> str:
        return credits_text(price.per_minute)

    @display(description="Credits a segment", ordering="per_segment")
    def segment(self, price: Price) -> str:
        return credits_text(price.per_segment)


# Keys ---------------------------------------------------------------------------------------------


class KeyState(SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("usable", "Active"), ("ended", "Revoked or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        usable = ApiKey.objects.usable(now=timezone.now()).values("id")
        if self.value() == "usable":
            return queryset.filter(id__in=usable)
        return queryset.exclude(id__in=usable) if self.value() == "ended" else queryset


class KeyUse(SimpleListFilter):
    title = "use"
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unusual", "Unusual")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        marked = UnusualUse.objects.open().values("api_key")
        return queryset.filter(id__in=marked) if self.value() == "unusual" else queryset


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    form = ApiKeyForm
    account_path = "account"
    credential = "API key"
    advice = (
        "Give it to the program that places calls. It sends it with every request, "
        "as X-API-Key or as a bearer token."
    )
    list_display = ["name", "account", "shown_mode", "hint", "state", "use", "last_used", "made"]
    list_filter = [("account", AutocompleteSelectFilter), "mode", KeyState, KeyUse, "created_at"]
    list_select_related = ["account", "successor"]
    search_fields = ["name", "account__name"]
    search_help_text = "Name of the key or of its account"
    autocomplete_fields = ["account"]
    add_fieldsets = [
        (None, {"fields": ["account", "name", "mode"]}),
        ("What it may do", {"fields": ["scopes"]}),
        ("Limits", {"fields": ["expires_at", "requests_per_minute", "allowed_ranges"]}),
    ]
    fieldsets = [
        (None, {"fields": ["name", "account", "shown_mode", "state"]}),
        ("What it may do", {"fields": ["scopes"]}),
        ("Limits", {"fields": ["expires_at", "requests_per_minute", "allowed_ranges"]}),
        ("About", {"fields": ["hint", "last_used", "made", "revoked"]}),
    ]
    readonly_fields = ["shown_mode", "state", "hint", "last_used", "made", "revoked"]
    readonly_fields += ["predecessor", "replaced_by"]
    actions_detail = ["dismiss", "rotate", "revoke"]
    change_form_outer_before_template = "admin/agents/apikey/unusual.html"

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        linked = [
            *(["predecessor"] if obj and obj.replaces else []),
            *(["replaced_by"] if obj and successor_of(obj) else []),
        ]
        return [*fieldsets, ("Rotation", {"fields": linked})] if linked else fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        keys: QuerySet[ApiKey] = super().get_queryset(request)
        marks = UnusualUse.objects.open().filter(api_key=OuterRef("pk"))
        return keys.annotate(is_unusual=Exists(marks))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if key := kwargs["obj"]:
            context |= {"marks": list(key.unusual_uses.all()[:MARKS_SHOWN])}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def create(self, fields: dict[str, Any]) -> tuple[ApiKey, str]:
        return create_key(fields.pop("account"), **fields)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        return [*self.readonly_fields, "account"] if obj else self.readonly_fields

    def has_dismiss_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        key = object_id and self.get_object(request, object_id)
        is_marked = isinstance(key, ApiKey) and UnusualUse.objects.open().filter(api_key=key)
        return bool(is_marked) and self.has_change_permission(request)

    @action(description="Dismiss", icon="done_all", permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key: ApiKey = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                key,
                title="Dismiss the unusual use?",
                question="You have looked at it, and it is fine. It stays in the key's history, "
                "and what comes next is marked again.",
                button="Dismiss",
                variant="primary",
            )
        dismiss(key, actor=actor_of(request))
        return self.done(request, key, message="The unusual use is dismissed.")

    def has_rotate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        key = object_id and self.get_object(request, object_id)
        stands = isinstance(key, ApiKey) and is_usable(key) and not successor_of(key)
        return stands and self.has_change_permission(request)

    @action(description="Rotate", icon="autorenew", permissions=["rotate"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key: ApiKey = self.get_or_404(request, object_id)
        form = RotationForm(request.POST or None)
        if not form.is_valid():
            return self.confirm(
                request,
                key,
                title="Rotate this key",
                question="A new key with the same name, mode, scopes, limits and addresses is "
                "made and shown once.",
                form=form,
                button="Rotate key",
            )
        try:
            successor, secret = rotate_key(key, **form.cleaned_data)
        except Conflict as refused:
            messages.warning(request, f"{refused.message}.")
            return redirect(page_of(key))
        self.log_change(request, key, f"Rotated: {successor.hint} takes its place.")
        self.log_addition(request, successor, f"Made by rotating {key.hint}.")
        return self.show_secret(request, successor, secret)

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        key = object_id and self.get_object(request, object_id)
        open_still = isinstance(key, ApiKey) and key.revoked_at is None
        return open_still and self.has_change_permission(request)

    @action(
        description="Revoke",
        icon="block",
        permissions=["revoke"],
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                key,
                title="Revoke this key?",
                question="Programs that use it are refused from now on. This cannot be undone.",
                button="Revoke key",
            )
        revoke_key(key)
        return self.done(request, key, message="The key is revoked.")

    @labelled(description="Mode", ordering="mode", labels=MODE_LABELS)
    def shown_mode(self, key: ApiKey) -> tuple[str, str]:
        return key.mode, key.get_mode_display()

    @labelled(description="State", labels=STATE_LABELS)
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        if not is_usable(key):
            return "expired"
        return "replaced" if successor_of(key) else "active"

    @display(description="Replaces")
    def predecessor(self, key: ApiKey) -> str:
        return link_to(key.replaces) if key.replaces else NONE

    @display(description="Replaced by")
    def replaced_by(self, key: ApiKey) -> str:
        successor = successor_of(key)
        return link_to(successor) if successor else NONE

    @labelled(description="Use", labels=USE_LABELS)
    def use(self, key: ApiKey) -> str | None:
        return "unusual" if getattr(key, "is_unusual", False) else None

    @display(description="Last used (UTC)", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return at(key.last_used_at) if key.last_used_at else "never"

    @display(description="Created (UTC)", ordering="created_at")
    def made(self, key: ApiKey) -> str:
        return at(key.created_at)

    @display(description="Revoked (UTC)")
    def revoked(self, key: ApiKey) -> str:
        return at(key.revoked_at)


def is_usable(key: ApiKey) -> bool:
    ended = key.expires_at is not None and key.expires_at <= timezone.now()
    return key.revoked_at is None and not ended


def successor_of(key: ApiKey) -> ApiKey | None:
    # Without this there is no attribute at all.
    return getattr(key, "successor", None)


def link_to(key: ApiKey) -> str:
    return format_html('<a class="od-link" href="{}">{}</a>', page_of(key), key)


# Agents -------------------------------------------------------------------------------------------


class AgentState(SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("enabled", "Enabled"), ("disabled", "Disabled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        if self.value() not in ("enabled", "disabled"):
            return queryset
        return queryset.filter(disabled_at__isnull=self.value() == "enabled")


@admin.register(Agent)
class AgentAdmin(ServiceAdmin):
    form = AgentForm
    account_path = "account"
    id_prefix = "agent"
    credential = "agent secret"
    advice = "Zapier asks for it, together with the agent's id, to connect this agent."
    list_display = ["name", "account", "default_number", "carrier", "state", "made"]
    list_filter = [("account", AutocompleteSelectFilter), "carrier", AgentState, "created_at"]
    list_select_related = ["account"]
    search_fields = ["name", "account__name"]
    search_help_text = "Name of the agent or of its account, or the agent's id"
    autocomplete_fields = ["account"]
    add_fieldsets = [
        (None, {"fields": ["account", "name", "default_number", "carrier", "voice_url"]}),
        ("What it says", {"fields": ["greeting", "prompt", "language", "voice"]}),
        ("Limits of a call", {"fields": [("ring_timeout", "max_duration")]}),
        ("Limits of all its calls", {"fields": [("max_concurrent_calls", "calls_per_second")]}),
        (
            "When nobody answers",
            {"fields": ["retry_causes", ("retry_attempts", "retry_gaps")]},
        ),
    ]
    fieldsets = [
        (None, {"fields": ["account", "name", "state", "default_number", "carrier", "voice_url"]}),
        *add_fieldsets[1:],
        ("About", {"fields": ["native_id", "id", "made"]}),
    ]
    readonly_fields = ["state", "native_id", "id", "made"]
    actions_detail = ["place_call", "rotate_secret", "disable"]

    def create(self, fields: dict[str, Any]) -> tuple[Agent, str]:
        return create_agent(fields.pop("account"), **fields)

    def change(self, obj: Agent, fields: dict[str, Any]) -> None:
        change_agent(obj, **fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> list[str]:
        return [*self.readonly_fields, "account"] if obj else self.readonly_fields

    def has_disable_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        agent = object_id and self.get_object(request, object_id)
        enabled = isinstance(agent, Agent) and agent.is_enabled
        return enabled and self.has_change_permission(request)

    def has_place_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        agent = object_id and self.get_object(request, object_id)
        enabled = isinstance(agent, Agent) and agent.is_enabled
        return enabled and request.user.has_perm("calls.add_call")

    @action(
        description="Place a call",
        icon="call",
        permissions=["place"],
        variant=ActionVariant.PRIMARY,
    )
    def place_call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        # Calls stand above agents: their page does it.
        return redirect("admin:calls_call_place", self.get_or_404(request, object_id).pk)

    @action(description="Rotate secret", icon="autorenew", permissions=["change"])
    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        agent = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                agent,
                title="Rotate this agent's secret?",
                question="A new secret is made and shown once. The old one stops working at once.",
                button="Rotate secret",
            )
        secret = rotate_agent_secret(agent)
        self.log_change(request, agent, "Rotated the secret.")
        return self.show_secret(request, agent, secret)

    @action(
        description="Disable",
        icon="block",
        permissions=["disable"],
        variant=ActionVariant.DANGER,
    )
    def disable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        agent = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                agent,
                title="Disable this agent?",
                question="It places no more calls. Calls under way end as they would have. "
                "This cannot be undone.",
                button="Disable agent",
            )
        disable_agent(agent)
        return self.done(request, agent, message="The agent is disabled.")

    @labelled(description="State", labels=STATE_LABELS)
    def state(self, agent: Agent) -> str:
        return "enabled" if agent.is_enabled else "disabled"

    @display(description="Native id")
    def native_id(self, agent: Agent) -> str:
        return agent.native_id

    @display(description="Created (UTC)", ordering="created_at")
    def made(self, agent: Agent) -> str:
        return at(agent.created_at)


# Caller ids ---------------------------------------------------------------------------------------


@admin.register(CallerId)
class CallerIdAdmin(ServiceAdmin):
    form = CallerIdForm
    account_path = "account"
    list_display = ["number", "account", "approved"]
    list_filter = [("account", AutocompleteSelectFilter), "created_at"]
    list_select_related = ["account"]
    search_fields = ["number", "account__name"]
    search_help_text = "Part of the number, or name of the account"
    autocomplete_fields = ["account"]
    add_fieldsets = [(None, {"fields": ["account", "number"]})]
    fieldsets = [(None, {"fields": ["number", "account", "approved"]})]
    actions_detail = ["remove"]

    def create(self, fields: dict[str, Any]) -> tuple[CallerId, str]:
        return CallerId.objects.create(**fields), ""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("agents.delete_callerid"))

    @action(
        description="Remove",
        icon="delete",
        permissions=["remove"],
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        caller_id = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                caller_id,
                title="Remove this caller id?",
                question=f"{caller_id.account} shows it to nobody any more, unless it is the "
                "default number of one of its agents. Calls already accepted go out as they are.",
                button="Remove caller id",
            )
        self.log_change(request, caller_id, "Removed.")
        caller_id.delete()
        messages.success(request, f"{caller_id} is removed.")
        return redirect(reverse("admin:agents_callerid_changelist"))

    @display(description="Approved (UTC)", ordering="created_at")
    def approved(self, caller_id: CallerId) -> str:
        return at(caller_id.created_at)
