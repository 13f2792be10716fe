"""What operators fill in about webhooks."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from agents.models import Account, Agent
from core.errors import InvalidUrl
from core.targets import check_url
from webhooks.controls import RECOVERS_DAYS, complaint_about
from webhooks.errors import WebhookLimitReached
from webhooks.events import TYPES
from webhooks.services import check_room


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    url = forms.CharField(
        label="URL",
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "https://"}),
        help_text="Every event is POSTed here.",
    )
    events = forms.MultipleChoiceField(
        choices=[(type, type) for type in TYPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        initial=["call.started", "call.completed", "call.failed"],
    )
    requests_per_second = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="At most so many requests each second. Empty: no limit.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "agent" in self.fields and not self.instance._state.adding:
            theirs = Agent.objects.for_account(self.instance.account)
            self.fields["agent"].queryset = theirs  # type: ignore[attr-defined]

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except InvalidUrl as error:
            raise forms.ValidationError(f"{error}.") from None
        return url

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        account, agent = fields.get("account"), fields.get("agent")
        if account and agent and agent.account_id != account.id:
            self.add_error("agent", f"This agent belongs to another account than {account}.")
        if account and self.instance._state.adding:
            self._check_room(account)
        return fields

    def _check_room(self, account: Account) -> None:
        # The page is one transaction: there is room still when the webhook is made.
        try:
            check_room(account.id)
        except WebhookLimitReached as error:
            self.add_error("account", f"{error}.")


class RecoverForm(forms.Form):
    since = forms.SplitDateTimeField(
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text=f"UTC, at most {RECOVERS_DAYS} days ago.",
    )

    def clean_since(self) -> datetime:
        since: datetime = self.cleaned_data["since"]
        if complaint := complaint_about(since, now=timezone.now()):
            raise forms.ValidationError(f"This time {complaint}.")
        return since
