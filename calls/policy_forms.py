"""What operators fill in about whom an account calls, and when."""

from collections.abc import Sequence
from typing import Any

import phonenumbers
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from agents.models import Account
from calls.do_not_call_file import Line, UnreadableFile, read_lines
from calls.hours import DAY_NAMES, read_windows, write_windows
from calls.models import DoNotCall
from core.errors import InvalidNumber
from core.phone import to_e164

MOST_BYTES = 5 * 1024 * 1024
DAYS = tuple(name.lower() for name in DAY_NAMES)
COUNTRIES: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)


class DoNotCallForm(forms.ModelForm):  # type: ignore[type-arg]
    number = forms.CharField(
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "+1 415 555 0123"}),
        help_text="With + and country code.",
    )
    note = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Why, and who asked for it.",
    )

    def clean_number(self) -> str:
        try:
            return to_e164(self.cleaned_data["number"])
        except InvalidNumber:
            raise forms.ValidationError(
                "This is no phone number. Write it with + and country code, as +14155550123."
            ) from None

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        account, number = fields.get("account"), fields.get("number")
        if account and DoNotCall.objects.for_account(account).filter(number=number).exists():
            self.add_error("number", f"It is on the list of {account} already.")
        return fields


class WindowsField(forms.CharField):
    """The windows of a day, written as `09:00-12:00, 13:00-20:00`."""

    def prepare_value(self, value: Any) -> Any:
        return write_windows(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        try:
            return read_windows(super().to_python(value) or "")
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except forms.ValidationError:
            return True


class CountriesField(forms.CharField):
    """Countries by their two letters, written as `US, GB, DE`; none of them is None."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        codes = sorted({code.upper() for code in (value or "").replace(",", " ").split()})
        if "UK" in codes:
            raise forms.ValidationError("The United Kingdom is GB.")
        if unknown := [code for code in codes if code not in COUNTRIES]:
            raise forms.ValidationError(f"No country has this code: {', '.join(unknown)}.")
        return codes or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or None))
        except forms.ValidationError:
            return True


class CallingRulesForm(forms.ModelForm):  # type: ignore[type-arg]
    calls_per_person_per_day = forms.IntegerField(
        label="Calls a person a day",
        required=False,
        min_value=1,
        max_value=1_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Dials of one number in one day of the callee's own. Empty: any number.",
    )
    countries = CountriesField(
        required=False,
        max_length=2_000,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "US, GB, DE"}),
        help_text="Numbers of other countries are refused. Two letters each (ISO 3166-1). "
        "Empty: every country.",
    )
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        WindowsField(
            required=False,
            max_length=200,
            empty_value="",
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "closed"}),
        )
        for _ in DAYS
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, windows in zip(DAYS, self.instance.hours or [[]] * 7, strict=True):
            self.initial[name] = windows


def hours_given(fields: dict[str, Any], *, kept: Sequence[Any] | None) -> list[Any] | None:
    """Take the days out of a form's `fields` and return the week; None where every day is empty."""
    week = [fields.pop(day, windows) for day, windows in zip(DAYS, kept or [[]] * 7, strict=True)]
    return week if any(week) else None


class ImportForm(forms.Form):
    account = forms.ModelChoiceField(
        Account.objects.all(),
        widget=AutocompleteSelect(DoNotCall._meta.get_field("account"), admin.site),
    )
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text="CSV, up to 5 MB and 200,000 lines: numbers, and perhaps notes beside them.",
    )
    country = forms.CharField(
        label="Country of numbers without +",
        required=False,
        max_length=2,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "US"}),
        help_text="Two letters. Empty: numbers without + are not imported.",
    )

    def clean_file(self) -> "UploadedFile[Any]":
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 5 MB.")
        return file

    def clean_country(self) -> str | None:
        code: str = self.cleaned_data["country"].upper()
        if code and code not in COUNTRIES:
            raise forms.ValidationError("No country has this code.")
        return code or None

    def clean(self) -> dict[str, Any]:
        """`lines` is what the file says."""
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        if "file" in fields and "country" in fields:
            fields["lines"] = self._lines(fields["file"], region=fields["country"])
        return fields

    def _lines(self, file: "UploadedFile[Any]", *, region: str | None) -> list[Line]:
        try:
            return read_lines(file.read(), region=region)
        except UnreadableFile as error:
            self.add_error("file", f"{error}.")
            return []
