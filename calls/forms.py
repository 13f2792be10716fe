"""What operators fill in to place a call."""

import json
from typing import Any
from uuid import uuid4

from django import forms
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
)

from agents.models import Agent, Mode
from agents.prompts import render
from calls.services import MAX_OBJECT_BYTES, CallRequest, e164
from core.errors import InvalidNumber
from core.phone import region_of

# More fields than anybody fills in.
MOST_VARIABLES = 50
# The last digits of a number, and what the simulated carrier does with it.
SIMULATED = (
    ("+14155550123", "answers, talks for 3 seconds, hangs up"),
    ("+14155550101", "is busy"),
    ("+14155550102", "rings and is not answered"),
    ("+14155550103", "is answered by a machine"),
    ("+14155550104", "is rejected by its network"),
    ("+14155550105", "is never heard of again"),
    ("+14155550106", "reports twice and out of order"),
    ("+14155550107", "is refused once, then answers"),
    ("+14155550108", "is taken, but the carrier's answer is lost"),
    ("+14155550110", "is out of credits"),
)


class OnceForm(forms.Form):
    """A confirmation that counts once, however often its button is pressed."""

    once = forms.UUIDField(widget=forms.HiddenInput(), initial=uuid4)


class PlaceCallForm(OnceForm):
    """A call by `agent`, with a field for each variable of what it says."""

    to_number = forms.CharField(
        label="Number to call",
        max_length=32,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "placeholder": "+1 415 555 0123",
                "list": "simulated",
                "inputmode": "tel",
                "autocomplete": "off",
            }
        ),
    )
    from_number = forms.CharField(
        label="Number to show",
        required=False,
        max_length=32,
        widget=UnfoldAdminTextInputWidget(),
    )
    mode = forms.ChoiceField(
        choices=[
            (Mode.TEST, "Test: rings no phone, costs nothing"),
            (Mode.LIVE, "Live: by its carrier, for credits"),
        ],
        initial=Mode.TEST,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    # Set by the page that asks once more before a phone rings.
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent = agent
        self.fields["from_number"].required = not agent.default_number
        self.fields["from_number"].widget.attrs["placeholder"] = agent.default_number or ""
        self.names = render(f"{agent.greeting}\n{agent.prompt}", {}).missing[:MOST_VARIABLES]
        for number, name in enumerate(self.names):
            self.fields[f"param_{number}"] = forms.CharField(
                label=f"{{{{{name}}}}}",
                required=False,
                max_length=2_000,
                widget=UnfoldAdminTextInputWidget(),
            )
        params = map(self._field, self.names)
        self.order_fields(["to_number", "from_number", *params, "mode"])

    def clean_to_number(self) -> str:
        return self._read("to_number")

    def clean_from_number(self) -> str:
        return self._read("from_number") if self.cleaned_data["from_number"] else ""

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        if len(json.dumps(self.params, ensure_ascii=False).encode()) > MAX_OBJECT_BYTES:
            raise forms.ValidationError("All values together are longer than 16 KiB.")
        return fields

    @property
    def params(self) -> dict[str, str]:
        """What was filled in, by the variables' names."""
        given = {name: self.cleaned_data.get(self._field(name)) for name in self.names}
        return {name: value for name, value in given.items() if value}

    @property
    def order(self) -> CallRequest:
        """The call that a valid form asks for."""
        return CallRequest(
            agent_id=self.agent.native_id,
            to_number=self.cleaned_data["to_number"],
            from_number=self.cleaned_data["from_number"] or None,
            params=self.params or None,
        )

    @property
    def asks_to_confirm(self) -> bool:
        return self.cleaned_data["mode"] == Mode.LIVE and not self.cleaned_data["confirmed"]

    def to_confirm(self) -> "PlaceCallForm":
        """The same answers, unseen, to be sent again with the confirmation."""
        form = PlaceCallForm({**self.data.dict(), "confirmed": "on"}, agent=self.agent)  # type: ignore[attr-defined]
        for field in form.fields.values():
            field.widget = forms.HiddenInput()
        return form

    def _field(self, name: str) -> str:
        return f"param_{self.names.index(name)}"

    def _read(self, name: str) -> str:
        region = region_of(self.agent.default_number)
        try:
            return e164(name, self.cleaned_data[name], region=region)
        except InvalidNumber:
            raise forms.ValidationError(
                "This is no phone number. Write it with + and country code, as +14155550123."
            ) from None
