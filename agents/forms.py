"""What operators fill in about accounts, keys and agents."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from agents import retries
from agents.models import CallerId, Price
from agents.ranges import read_ranges
from agents.scopes import Scope, all_scopes
from core.errors import InvalidNumber
from core.phone import to_e164

RETRY_FIELDS = ("retry_causes", "retry_attempts", "retry_gaps")
VOICE_SCHEMES = ("wss", "ws", "relay+wss", "https", "http")


class OpeningForm(forms.ModelForm):  # type: ignore[type-arg]
    credits = forms.DecimalField(
        label="Opening credits",
        required=False,
        min_value=0,
        max_digits=14,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="What the account may spend. Empty: it spends without limit.",
    )


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    calls_per_second = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How many may start in one second. Empty: no limit.",
    )


class TopUpForm(forms.Form):
    amount = forms.DecimalField(
        min_value=Decimal("0.0001"),
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Credits to add.",
    )
    reason = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="For the ledger, e.g. the number of the invoice.",
    )


class CorrectionForm(forms.Form):
    amount = forms.DecimalField(
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Credits to add, or with a minus to take away.",
    )
    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget(), help_text="For the ledger."
    )

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError("A correction of nothing corrects nothing.")
        return amount


class UnlimitedForm(forms.Form):
    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget(), help_text="For the ledger."
    )


class CountedForm(UnlimitedForm):
    credits = forms.DecimalField(
        min_value=0,
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="What it may spend from now on, beside what is set aside for calls under way.",
    )
    field_order = ["credits", "reason"]


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    # Django takes fields off the class: what a form calls its own prefix stays as it is.
    prefix = forms.RegexField(  # type: ignore[assignment]
        r"^\+[0-9]{1,15}\Z",
        max_length=16,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "+1415"}),
        error_messages={"invalid": "Write it as + and 1 to 15 digits, as +44 or +1415."},
        help_text="The start of the numbers it is for: a country, an area, or a whole number.",
    )
    per_minute = forms.DecimalField(
        min_value=0,
        max_digits=10,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Credits for a started minute of an answered call.",
    )
    per_segment = forms.DecimalField(
        min_value=0,
        max_digits=10,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Credits for a segment of a message.",
    )

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        same = Price.objects.filter(prefix=fields.get("prefix"), account=fields.get("account"))
        if same.exclude(pk=self.instance.pk).exists():
            self.add_error("prefix", "There is a price for this prefix already.")
        return fields


class RangesField(forms.CharField):
    """Address ranges, one a line or with commas; as a list of CIDRs."""

    widget = UnfoldAdminTextareaWidget(
        attrs={"rows": 3, "placeholder": "203.0.113.0/24\n2001:db8::/32", "spellcheck": "false"}
    )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        try:
            return read_ranges(super().to_python(value) or "")
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except forms.ValidationError:
            return True


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.value} — {scope.label}") for scope in Scope],
        initial=all_scopes,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        error_messages={"required": "Choose at least one: a key without any opens nothing."},
        help_text="Take away what the program does not need. Its account may be read with any key.",
    )
    requests_per_minute = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1_000_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"Empty: {settings.LIVE_KEY_REQUESTS_PER_MINUTE} for a live key, "
        f"{settings.TEST_KEY_REQUESTS_PER_MINUTE} for a test key.",
    )

    allowed_ranges = RangesField(
        label="Addresses it may be used from",
        required=False,
        max_length=5_000,
        empty_value="",
        help_text="Addresses and ranges (CIDRs), IPv4 and IPv6, one a line. Empty: any address.",
    )

    def clean_scopes(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["scopes"]
        return [scope for scope in all_scopes() if scope in chosen]

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if "expires_at" in self.changed_data and expires_at and expires_at <= timezone.now():
            raise forms.ValidationError("This time has passed. To end a key now, revoke it.")
        return expires_at


class RotationForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label="The old key works on",
        choices=[(0, "not at all"), (1, "for an hour"), (24, "for 24 hours"), (168, "for 7 days")],
        coerce=int,
        initial=24,
        widget=UnfoldAdminSelectWidget(),
        help_text="Long enough to put the new key into every program that uses the old one.",
    )

    def clean_overlap(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["overlap"])


class CallerIdForm(forms.ModelForm):  # type: ignore[type-arg]
    number = forms.CharField(
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "+1 415 555 0100"}),
        help_text="Approve only numbers that are theirs: callees see it, and call it back.",
    )

    class Meta:
        model = CallerId
        fields = ["account", "number"]

    def clean_number(self) -> str:
        return read_number(self.cleaned_data["number"])


class AgentForm(forms.ModelForm):  # type: ignore[type-arg]
    default_number = forms.CharField(
        required=False,
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "+1 415 555 0100"}),
        help_text="The caller id when a call names none.",
    )
    greeting = forms.CharField(
        required=False,
        max_length=2_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What the agent says first. {{name}} is replaced by the call's params.",
    )
    prompt = forms.CharField(
        required=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="What the agent is told. {{name}} works here too.",
    )
    language = forms.RegexField(
        r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
        max_length=35,
        initial="en-US",
        widget=UnfoldAdminTextInputWidget(),
        error_messages={"invalid": "Write it as en-US or de."},
    )
    carrier = forms.ChoiceField(widget=UnfoldAdminSelectWidget(), initial="simulated")
    voice_url = forms.CharField(
        label="Voice URL",
        required=False,
        max_length=2_000,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "wss://"}),
        help_text="Where the carrier connects an answered call to, if it is one that does: "
        "wss://voice.example.org/calls, or http(s), or relay+wss.",
    )
    ring_timeout = forms.IntegerField(
        min_value=5,
        max_value=300,
        initial=30,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How long it may ring: 5 to 300 seconds.",
    )
    max_duration = forms.IntegerField(
        min_value=10,
        max_value=14_400,
        initial=600,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How long a call may last: 10 to 14,400 seconds. So much credit is set aside.",
    )

    max_concurrent_calls = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1_000_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Calls under way at once. Empty: as many as its account may.",
    )
    calls_per_second = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How many may start in one second. Empty: no limit.",
    )
    # Its retry rule, in three parts.
    retry_causes = forms.MultipleChoiceField(
        label="Dial again after",
        required=False,
        choices=[
            ("no_answer", "No answer"),
            ("busy", "Busy"),
            ("failed", "Failed, where the carrier proved that it took nothing"),
        ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="None: a call is dialled once. A call may bring a rule of its own.",
    )
    retry_attempts = forms.IntegerField(
        label="Dials in all",
        required=False,
        initial=3,
        min_value=1,
        max_value=retries.MOST_ATTEMPTS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"The first one included: 1 to {retries.MOST_ATTEMPTS}.",
    )
    retry_gaps = forms.CharField(
        label="Seconds between them",
        required=False,
        initial=str(retries.DEFAULT_GAP_SECONDS),
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "300, 3600"}),
        help_text="As 300, 3600: the last one holds for the rest.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if rule := self.instance.retry:
            gaps = rule.get("gaps") or [retries.DEFAULT_GAP_SECONDS]
            self.initial["retry_causes"] = rule["causes"]
            self.initial["retry_attempts"] = rule["attempts"]
            self.initial["retry_gaps"] = ", ".join(map(str, gaps))
        # An agent may name a carrier that is configured no more.
        names = sorted({*settings.CARRIERS, self.instance.carrier})
        self.fields["carrier"].choices = [(name, name.capitalize()) for name in names]  # type: ignore[attr-defined]

    def clean_default_number(self) -> str | None:
        number = self.cleaned_data["default_number"]
        return read_number(number) if number else None

    def clean_retry_gaps(self) -> list[int]:
        try:
            gaps = [
                int(part) for part in self.cleaned_data["retry_gaps"].split(",") if part.strip()
            ]
        except ValueError:
            raise forms.ValidationError("Write whole seconds, as 300, 3600.") from None
        least, most = retries.SHORTEST_GAP_SECONDS, retries.LONGEST_GAP_SECONDS
        if not all(least <= gap <= most for gap in gaps):
            raise forms.ValidationError(f"Each is from {least} to {most:,} seconds.")
        if len(gaps) > retries.MOST_ATTEMPTS:
            raise forms.ValidationError(f"At most {retries.MOST_ATTEMPTS} of them.")
        return gaps or [retries.DEFAULT_GAP_SECONDS]

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        causes, attempts, gaps = (fields.pop(name, None) for name in RETRY_FIELDS)
        if causes and not attempts and "retry_attempts" not in self.errors:
            self.add_error("retry_attempts", "Say how often it is dialled.")
        fields["retry"] = _retry(causes, attempts=attempts, gaps=gaps) if causes else None
        return fields

    @cached_property
    def changed_data(self) -> list[str]:
        """The parts of the retry rule as the one column that keeps them."""
        changed = super().changed_data
        plain = [name for name in changed if name not in RETRY_FIELDS]
        return plain if plain == changed else [*plain, "retry"]

    def clean_voice_url(self) -> str:
        url: str = self.cleaned_data["voice_url"]
        if url and not is_voice_url(url):
            raise forms.ValidationError(
                "Write it as wss://voice.example.org/calls; ws, http, https and relay+wss work too."
            )
        return url


def _retry(
    causes: Sequence[str], *, attempts: int | None, gaps: Sequence[int] | None
) -> dict[str, Any]:
    """A retry rule as agents.retries reads it."""
    return {"causes": list(causes), "attempts": attempts, "gaps": gaps}


def read_number(text: str) -> str:
    """It as E.164. Raises ValidationError."""
    try:
        return to_e164(text)
    except InvalidNumber:
        raise forms.ValidationError(
            "This is no phone number. Write it with + and country code, as +14155550100."
        ) from None


def is_voice_url(text: str) -> bool:
    """Whether a carrier could connect a call to it."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in VOICE_SCHEMES
            and bool(parts.hostname)
            and parts.port != 0
            and not any(character.isspace() for character in text)
        )
    except ValueError:  # a port or an address that is none
        return False
