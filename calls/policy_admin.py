"""The operators' pages about whom an account calls, and when."""

import json
import zlib
from itertools import groupby
from typing import Any

from django.contrib import admin, messages
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from agents.models import Account
from calls.do_not_call import Plan, list_number, list_numbers, plan_import
from calls.hours import DAY_NAMES, write_windows
from calls.models import CallingRules, DoNotCall
from calls.policy_forms import DAYS, CallingRulesForm, DoNotCallForm, ImportForm, hours_given
from core.admin import NONE, ServiceAdmin, at
from core.errors import InvalidNumber
from core.ids import new_id
from core.phone import to_e164

LIST_PAGE = "admin:calls_donotcall_changelist"
IMPORT_PAGE = "admin:calls_donotcall_import_csv"
# How long a preview can be confirmed, in seconds, and how many lines of each kind it shows.
PREVIEW_KEPT = 3600
LINES_SHOWN = 100


@admin.register(DoNotCall)
class DoNotCallAdmin(ServiceAdmin):
    form = DoNotCallForm
    account_path = "account"
    # The account's history keeps who did it.
    deletes = True
    list_display = ["number", "account", "note", "added"]
    list_filter = [("account", AutocompleteSelectFilter), "created_at"]
    list_select_related = ["account"]
    search_fields = ["number"]
    search_help_text = "The number, or its start with + and country code"
    autocomplete_fields = ["account"]
    add_fieldsets = [(None, {"fields": ["account", "number", "note"]})]
    fieldsets = [(None, {"fields": ["number", "account", "note", "added"]})]
    readonly_fields = ["added"]
    actions_list = ["import_csv"]

    def create(self, fields: dict[str, Any]) -> tuple[DoNotCall, str]:
        return list_number(fields.pop("account"), **fields)[0], ""

    def get_readonly_fields(self, request: HttpRequest, obj: DoNotCall | None = None) -> list[str]:
        return ["number", "account", "added"] if obj else self.readonly_fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DoNotCall], search_term: str
    ) -> tuple[QuerySet[DoNotCall], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(number=to_e164(search_term.strip())), False
        except InvalidNumber:
            digits = "".join(sign for sign in search_term if sign in "0123456789")
            return (
                queryset.filter(number__startswith=f"+{digits}") if digits else queryset.none()
            ), False

    def delete_model(self, request: HttpRequest, obj: DoNotCall) -> None:
        self.log_change(request, obj.account, f"Took {obj} off the do-not-call list.")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[DoNotCall]) -> None:
        for row in queryset.select_related("account"):
            self.log_change(request, row.account, f"Took {row} off the do-not-call list.")
        super().delete_queryset(request, queryset)

    @action(description="Import CSV", icon="upload_file", permissions=["add"], url_path="import")
    def import_csv(self, request: HttpRequest) -> HttpResponse:
        if "preview" in request.POST:
            return self._import(request, key=_key(request, request.POST["preview"]))
        form = ImportForm(request.POST or None, request.FILES or None)
        form.fields["account"].queryset = self.choices_of(Account, request)  # type: ignore[attr-defined]
        if form.is_valid():
            return self._preview(request, **form.cleaned_data)
        context = {"form": form, "title": "Import a do-not-call list"}
        return self._page(request, "admin/calls/donotcall/import.html", context)

    def _preview(
        self, request: HttpRequest, *, account: Account, file: Any, lines: Any, **_: Any
    ) -> HttpResponse:
        """Show what the lines come to, and keep just that until it is confirmed."""
        plan, preview = plan_import(account, lines), str(new_id())
        kept = {
            "account": str(account.id),
            "file": file.name,
            "notes": {line.number: line.note for line in plan.new},
        }
        cache.set(_key(request, preview), zlib.compress(json.dumps(kept).encode()), PREVIEW_KEPT)
        context = {
            "title": "Import a do-not-call list",
            "account": account,
            "file": file.name,
            "new": numbers_text(len(plan.new)) if plan.new else "",
            "parts": _parts(plan),
            "preview": preview,
        }
        return self._page(request, "admin/calls/donotcall/preview.html", context)

    def _import(self, request: HttpRequest, *, key: str) -> HttpResponse:
        packed = cache.get(key)
        if packed is None:
            messages.error(request, "This preview is no longer kept. Choose the file again.")
            return redirect(IMPORT_PAGE)
        kept = json.loads(zlib.decompress(packed))
        account = get_object_or_404(self.choices_of(Account, request), id=kept["account"])
        count = list_numbers(account, notes=kept["notes"])
        cache.delete(key)
        done = f"Put {numbers_text(count)} on the do-not-call list, from {kept['file']}."
        self.log_change(request, account, done)
        messages.success(request, done)
        return redirect(LIST_PAGE)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**shared, **context})

    @display(description="Added (UTC)", ordering="created_at")
    def added(self, row: DoNotCall) -> str:
        return at(row.created_at)


def _key(request: HttpRequest, preview: str) -> str:
    """Where a preview is kept: for the operator who saw it."""
    return f"do-not-call-import:{request.user.pk}:{preview}"


def numbers_text(count: int) -> str:
    return "1 number" if count == 1 else f"{count:,} numbers"


def _parts(plan: Plan) -> list[dict[str, Any]]:
    """As templates/admin/calls/donotcall/preview.html shows it: what needs a look comes first."""
    parts = [
        ("Invalid", "danger", "Not imported", plan.invalid),
        ("Twice in the file", "warning", "The first one counts", plan.repeated),
        ("Listed already", "default", "They stay as they are", plan.listed),
        ("New", "success", "Will be put on the list", plan.new),
    ]
    return [
        {
            "title": title,
            "label": label,
            "meaning": meaning,
            "count": f"{len(lines):,}",
            "lines": lines[:LINES_SHOWN],
            "more": f"{len(lines) - LINES_SHOWN:,}" if len(lines) > LINES_SHOWN else "",
        }
        for title, label, meaning, lines in parts
    ]


@admin.register(CallingRules)
class CallingRulesAdmin(ServiceAdmin):
    form = CallingRulesForm
    account_path = "account"
    list_display = ["account", "open_hours", "limit", "allowed"]
    list_select_related = ["account"]
    search_fields = ["account__name"]
    search_help_text = "Name of the account"
    autocomplete_fields = ["account"]
    fieldsets = [
        (None, {"fields": ["account", "calls_per_person_per_day", "countries"]}),
        (
            "Calling hours",
            {
                "fields": DAYS,
                "description": "On the callee's clock, as 09:00-12:00, 13:00-20:00; up to 24:00, "
                "or over midnight as 22:00-02:00. A day without hours is closed. "
                "With every day empty, calls go out at any hour.",
            },
        ),
    ]

    def create(self, fields: dict[str, Any]) -> tuple[CallingRules, str]:
        hours = hours_given(fields, kept=None)
        return CallingRules.objects.create(hours=hours, **fields), ""

    def change(self, obj: CallingRules, fields: dict[str, Any]) -> None:
        hours = hours_given(fields, kept=obj.hours)
        super().change(obj, {**fields, "hours": hours})

    def get_readonly_fields(
        self, request: HttpRequest, obj: CallingRules | None = None
    ) -> list[str]:
        return ["account"] if obj else []

    @display(description="Calling hours")
    def open_hours(self, rules: CallingRules) -> str:
        return hours_text(rules.hours) if rules.hours else "any hour"

    @display(description="Calls a person a day", ordering="calls_per_person_per_day")
    def limit(self, rules: CallingRules) -> str:
        return str(rules.calls_per_person_per_day or NONE)

    @display(description="Countries")
    def allowed(self, rules: CallingRules) -> str:
        return ", ".join(rules.countries or []) or "every country"


def hours_text(hours: list[Any]) -> str:
    """`Mon-Fri 09:00-20:00; Sat 10:00-14:00`."""
    named = zip((name[:3] for name in DAY_NAMES), hours, strict=True)
    texts = []
    for windows, group in groupby(named, key=lambda day: day[1]):
        days = [name for name, _ in group]
        span = days[0] if len(days) == 1 else f"{days[0]}-{days[-1]}"
        if windows:
            texts.append(f"{span} {write_windows(windows)}")
    return "; ".join(texts)
