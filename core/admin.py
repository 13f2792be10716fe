"""What the operators' pages share: rows made by services, nothing deleted, secrets shown once."""

import json
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import Model, QuerySet
from django.forms import Form, ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from core.ids import parse_id

NONE = "—"


class OperatorAdmin(ModelAdmin):
    """Rows are found by either form of their id; most are never deleted: each has a history."""

    id_prefix = ""
    deletes = False
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    empty_value_display = NONE

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.deletes and bool(super().has_delete_permission(request, obj))

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
        if found:
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
