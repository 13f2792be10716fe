"""The operators' pages about what carriers want to see: secrets go in, and never come out."""

from typing import Any

from cryptography.fernet import InvalidToken
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from calls.carriers import carrier_named
from calls.carriers.base import CredentialField
from calls.models import CarrierCredentials
from core.admin import NONE, ServiceAdmin, at

MOST_CHARACTERS = 2_000
STORED = "Stored, and not shown. Empty: it stays as it is."
UNREADABLE = "None of ENCRYPTION_KEYS opens what is stored: fill everything in again."


def fields_of(carrier: str) -> tuple[CredentialField, ...]:
    """What the carrier needs; nothing where it is configured no more."""
    return carrier_named(carrier).credential_fields if carrier in settings.CARRIERS else ()


def with_credentials() -> list[str]:
    """The carriers that need any."""
    return sorted(name for name in settings.CARRIERS if fields_of(name))


def prefixed(carrier: str, name: str) -> str:
    """A field of the form that has those of every carrier."""
    return f"{carrier}_{name}"


def where_shown() -> dict[str, str]:
    """By field: while which carrier is chosen it is shown, as unfold tells the browser."""
    return {
        prefixed(carrier, field.name): f"carrier == '{carrier}'"
        for carrier in with_credentials()
        for field in fields_of(carrier)
    }


def stored_values(row: CarrierCredentials) -> dict[str, str]:
    try:
        return row.values
    except InvalidToken:
        return {}


# Forms --------------------------------------------------------------------------------------------


def form_field(field: CredentialField) -> forms.CharField:
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    if field.is_secret:
        attrs["autocomplete"] = "new-password"  # no browser fills in its own
    widget = UnfoldAdminPasswordWidget if field.is_secret else UnfoldAdminTextInputWidget
    return forms.CharField(
        label=field.label,
        help_text=field.help,
        required=field.is_required,
        max_length=MOST_CHARACTERS,
        widget=widget(attrs=attrs),
        validators=[_validator(field)],
    )


def _validator(field: CredentialField) -> Any:
    def validate(text: str) -> None:
        try:
            field.check(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    return validate


class AddForm(forms.ModelForm):  # type: ignore[type-arg]
    """The fields of all carriers; those of the chosen one are shown, and count."""

    carrier = forms.ChoiceField(widget=UnfoldAdminSelectWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(name, name.capitalize()) for name in with_credentials()]
        self.fields["carrier"].choices = choices  # type: ignore[attr-defined]
        if self.is_bound:
            for name in self._unchosen(self["carrier"].data or ""):
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        # What was typed for a carrier that was then not chosen is nobody's mistake.
        for name in self._unchosen(fields.get("carrier", "")):
            self.errors.pop(name, None)
        return fields

    def _unchosen(self, carrier: str) -> set[str]:
        chosen = fields_of(carrier)
        return where_shown().keys() - {prefixed(carrier, field.name) for field in chosen}


class ChangeForm(forms.ModelForm):  # type: ignore[type-arg]
    """One carrier's fields; an empty secret stays as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = stored_values(self.instance)
        for field in fields_of(self.instance.carrier):
            self._fill(field, stored.get(field.name, ""))

    def _fill(self, field: CredentialField, value: str) -> None:
        if not field.is_secret:
            self.initial[field.name] = value
        elif value:
            self.fields[field.name].required = False
            self.fields[field.name].help_text = STORED
            self.fields[field.name].widget.attrs["placeholder"] = "••••••••"


# Pages --------------------------------------------------------------------------------------------


@admin.register(CarrierCredentials)
class CarrierCredentialsAdmin(ServiceAdmin):
    account_path = "account"
    list_display = ["account", "shown_carrier", "known", "changed"]
    list_filter = [("account", AutocompleteSelectFilter), "carrier"]
    list_select_related = ["account"]
    search_fields = ["account__name", "carrier"]
    search_help_text = "Name of the account, or the carrier"
    autocomplete_fields = ["account"]
    readonly_fields = ["account", "shown_carrier", "changed"]
    actions_detail = ["remove"]

    @property
    def conditional_fields(self) -> dict[str, str]:
        return where_shown()

    def get_form(
        self, request: HttpRequest, obj: CarrierCredentials | None = None, **kwargs: Any
    ) -> "type[forms.ModelForm[CarrierCredentials]]":
        if obj:
            base: Any = ChangeForm
            declared = {field.name: form_field(field) for field in fields_of(obj.carrier)}
        else:
            base = AddForm
            declared = {
                prefixed(carrier, field.name): form_field(field)
                for carrier in with_credentials()
                for field in fields_of(carrier)
            }
        kwargs["form"] = type(base.__name__, (base,), declared)
        form: type[forms.ModelForm[CarrierCredentials]] = super().get_form(request, obj, **kwargs)
        return form

    def get_readonly_fields(
        self, request: HttpRequest, obj: CarrierCredentials | None = None
    ) -> list[str]:
        return self.readonly_fields if obj else []

    def get_fieldsets(
        self, request: HttpRequest, obj: CarrierCredentials | None = None
    ) -> list[tuple[str | None, dict[str, Any]]]:
        if obj is None:
            return [(None, {"fields": ["account", "carrier", *where_shown()]})]
        names = [field.name for field in fields_of(obj.carrier)]
        advice = "" if stored_values(obj) else UNREADABLE
        return [
            (None, {"fields": ["account", "shown_carrier", "changed"]}),
            ("Credentials", {"fields": names, "description": advice}),
        ]

    def create(self, fields: dict[str, Any]) -> tuple[CarrierCredentials, str]:
        carrier = fields["carrier"]
        row = CarrierCredentials(account=fields["account"], carrier=carrier)
        names = [field.name for field in fields_of(carrier)]
        row.keep({name: fields[prefixed(carrier, name)] for name in names})
        row.save()
        return row, ""

    def change(self, obj: CarrierCredentials, fields: dict[str, Any]) -> None:
        obj.keep(stored_values(obj) | fields)
        obj.save()

    @action(
        description="Remove",
        icon="delete",
        permissions=["change"],
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                row,
                title="Remove these credentials?",
                question="The account's calls go out with those of the settings, if there are any, "
                "and are refused if not. Reports about calls under way are taken no more.",
                button="Remove credentials",
            )
        self.log_change(request, row, "Removed.")
        row.delete()
        messages.success(request, "The credentials are removed.")
        return redirect(reverse("admin:calls_carriercredentials_changelist"))

    @display(description="Carrier", ordering="carrier")
    def shown_carrier(self, row: CarrierCredentials) -> str:
        return row.carrier.capitalize()

    @display(description="Not secret")
    def known(self, row: CarrierCredentials) -> str:
        stored = stored_values(row)
        fields = [field for field in fields_of(row.carrier) if not field.is_secret]
        return ", ".join(stored.get(field.name, "") for field in fields) or NONE

    @display(description="Changed (UTC)", ordering="changed_at")
    def changed(self, row: CarrierCredentials) -> str:
        return at(row.changed_at)
