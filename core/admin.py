"""What the operators' pages share: rows made by services, nothing deleted, secrets shown once."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import Model, QuerySet, UUIDField
from django.forms import Form, ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.utils import display_for_label

from core.ids import native_id, parse_id

# Hidden on phones, where each column is a line of its own.
NONE = mark_safe('<span class="od-none">—</span>')


class OwnRowsFilter(AutocompleteSelectFilter):
    """Names the chosen row only where the operator may see it."""

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        rows = self.model_admin.choices_of(self.field.remote_field.model, self.request)
        for choice in super().choices(changelist):
            choice["form"].fields[self.lookup_kwarg].queryset = rows
            yield choice


class OperatorAdmin(ModelAdmin):
    """Rows are found by either form of their id; most are never deleted: each has a history.

    An operator who is given some accounts sees, chooses and changes only what is theirs.
    """

    # How a row leads to its account: `account`, `subscription__account`, or `id` of accounts
    # themselves. None: it has none, and is for operators of every account.
    account_path: str | None
    id_prefix = ""
    deletes = False
    list_per_page = 25
    show_facets = admin.ShowFacets.NEVER
    empty_value_display = NONE

    def accounts(self, request: HttpRequest) -> list[UUID] | None:
        """The ids of the operator's accounts; None: every account."""
        if not hasattr(request, "operators_accounts"):
            accounts = self.admin_site.accounts_of(request.user)
            request.operators_accounts = accounts  # type: ignore[attr-defined]
        found: list[UUID] | None = request.operators_accounts  # type: ignore[attr-defined]
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        accounts = self.accounts(request)
        if accounts is None:
            return rows
        path = self.account_path
        return rows.filter(**{f"{path}__in": accounts}) if path else rows.none()

    def choices_of(self, model: type[Model], request: HttpRequest) -> QuerySet[Any]:
        """The rows of another model that the operator may choose."""
        related = self.admin_site.get_model_admin(model)
        rows: QuerySet[Any] = related.get_queryset(request)
        return rows

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        model = db_field.remote_field.model
        return self.choices_of(model, request) if self.admin_site.is_registered(model) else None

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == self.account_path and self.accounts(request) is not None:
            kwargs["required"] = True  # without one it would be everybody's
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [
            (one[0], OwnRowsFilter)
            if isinstance(one, tuple) and one[1] is AutocompleteSelectFilter
            else one
            for one in super().get_list_filter(request)
        ]

    def _concerns(self, request: HttpRequest) -> bool:
        return self.account_path is not None or self.accounts(request) is None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._concerns(request) and bool(super().has_module_permission(request))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._concerns(request) and bool(super().has_view_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._concerns(request) and bool(super().has_change_permission(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # A new account would be none of those that a limited operator was given.
        is_open = self.account_path not in (None, "id") or self.accounts(request) is None
        return is_open and bool(super().has_add_permission(request))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may = self.deletes and self._concerns(request)
        return may and bool(super().has_delete_permission(request, obj))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A filter that says yes or no to the start of a hash gives it away bit by bit.
        if "digest" in lookup or "secret" in lookup:
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        found = str(parse_id(self.id_prefix, object_id) or object_id)
        # Each of a page's buttons asks whether it fits: one query for all of them.
        kept: dict[Any, Model | None] = request.__dict__.setdefault("_rows", {})
        row = (self.opts.label, found, from_field)
        if row not in kept:
            kept[row] = super().get_object(request, found, from_field)
        return kept[row]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found = parse_id(self.id_prefix, search_term)
        if found and isinstance(self.opts.pk, UUIDField):
            return queryset.filter(id=found), False
        result: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return result

    def get_or_404(self, request: HttpRequest, object_id: str) -> Any:
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        return obj

    def confirm(self, request: HttpRequest, obj: Model, **words: object) -> HttpResponse:
        """Ask before something is done. `words`: title, question, button, and perhaps a form."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "back": page_of(obj),
            "media": self.media,
            **words,
        }
        return TemplateResponse(request, "admin/confirm.html", context)

    def done(
        self, request: HttpRequest, obj: Model, *, message: str, to: str | None = None
    ) -> HttpResponse:
        """Say that it was done, in the row's history and to the operator."""
        self.log_change(request, obj, message)
        messages.success(request, message)
        return redirect(to or page_of(obj))


class ReadOnlyAdmin(OperatorAdmin):
    """Rows that only the server writes."""

    # Counting all rows is what makes a big table's page slow.
    paginator = InfinitePaginator
    show_full_result_count = False
    # What operators can do nothing to has no history of it.
    has_history = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def page(self, obj: Any) -> dict[str, Any]:
        """What the row's own template shows."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_history": self.has_history, **self.page(kwargs["obj"])}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response


class CreatingRequest(HttpRequest):
    """The request that creates a row; its answer shows the new row's secret."""

    new_secret: str


class ServiceAdmin(OperatorAdmin):
    """Rows are made and changed by the app's services, never by saving a half-filled model."""

    # What the secret of a new row is called, and what it is for.
    credential = ""
    advice = ""

    def create(self, fields: dict[str, Any]) -> tuple[Model, str]:
        """The new row and its secret, empty where it has none."""
        raise NotImplementedError

    def change(self, obj: Any, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            setattr(obj, name, value)
        obj.save(update_fields=list(fields))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        # No "add another" beside a choice: its popup closes at once, and a secret with it.
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # What follows a new row is its secret, not another form.
        context |= {"show_save_and_add_another": False, "show_save_and_continue": kwargs["change"]}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def save_form(self, request: CreatingRequest, form: "ModelForm[Any]", change: bool) -> Model:
        if not change:
            created, request.new_secret = self.create(form.cleaned_data)
            return created
        # The form has written to its own instance; services compare with what is stored.
        stored: Model = self.model.objects.get(pk=form.instance.pk)
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        if fields:
            self.change(stored, fields)
        return stored

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """The service has saved it."""

    def save_related(self, request: HttpRequest, form: Form, formsets: Any, change: bool) -> None:
        """Nothing related is edited here, but Django asks each formset what it has saved."""
        for formset in formsets:
            formset.save()

    def response_add(
        self, request: CreatingRequest, obj: Model, post_url_continue: str | None = None
    ) -> HttpResponse:
        if request.new_secret:
            return self.show_secret(request, obj, request.new_secret)
        messages.success(request, f"{obj} was created.")
        return redirect(page_of(obj))

    def show_secret(self, request: HttpRequest, obj: Model, secret: str) -> HttpResponse:
        """The only page that ever shows it: the answer to the POST that made it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": "Copy the secret",
            "secret": secret,
            "what": self.credential,
            "advice": self.advice,
            "back": page_of(obj),
        }
        response = TemplateResponse(request, "admin/secret.html", context)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "same-origin"
        return response


def actor_of(request: HttpRequest) -> str:
    """The operator's username, for rows that say who did it."""
    return request.user.get_username()


def page_of(obj: Model) -> str:
    """The address of a row's page."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
    return reverse(name, args=[quote(obj.pk)])


def labelled(
    *, description: str, labels: dict[str, str], ordering: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A column or field shown as a coloured label, by what it says. unfold does it in lists only.

    The method answers a key of `labels`, or that and how it reads; None for none.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def shown(*args: Any) -> SafeString:
            if (said := method(*args)) is None:
                return NONE
            label: SafeString = display_for_label(said, NONE, labels)
            return label

        decorated: Callable[..., Any] = display(description=description, ordering=ordering)(shown)
        return decorated

    return decorate


def native_link(label: str, id: UUID, *, site: admin.AdminSite) -> str:
    """The native id of a row of the model `label` (as `calls.call`), leading to its page."""
    model = apps.get_model(label)
    page: Any = site.get_model_admin(model)
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[id])
    return format_html('<a href="{}" class="od-link">{}</a>', url, native_id(page.id_prefix, id))


def at(moment: datetime | None) -> str:
    """`22 Nov 2026, 00:25:31`, in the server's time zone."""
    return date_format(timezone.localtime(moment), "j M Y, H:i:s") if moment else NONE


def seconds(number: float | None) -> str:
    """`850 ms`, `3.2 s`, `12 s`, `5 min`, `2 min 5 s`, `1 h`."""
    if number is None:
        return NONE
    if number < 1:
        return f"{round(number * 1000)} ms"
    if number < 10:
        return f"{round(number, 1):g} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return _parts((minutes, "min"), (rest, "s")) or "0 s"
    return _parts((minutes // 60, "h"), (minutes % 60, "min"))


def _parts(*counted: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in counted if number)


def table_of(values: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What a client sent along, one row a name; nested values as JSON."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in (values or {}).items()
    ]
