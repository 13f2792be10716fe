"""The operators' buttons about an account's credits: each movement says who made it, and why."""

from decimal import Decimal
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from agents.credits import correct, make_counted, make_unlimited, top_up
from agents.forms import CorrectionForm, CountedForm, TopUpForm, UnlimitedForm
from agents.models import Account
from core.admin import ServiceAdmin, actor_of
from core.errors import InsufficientCredits


def credits_text(amount: Decimal | None) -> str:
    """`1,000` or `0.5`: as many decimals as there are."""
    return "unlimited" if amount is None else f"{amount.normalize():,f}"


class CreditControls(ServiceAdmin):
    """What can be done to an account's credits. Each is offered where it fits."""

    def has_counted_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        account = object_id and self.get_object(request, object_id)
        counts = isinstance(account, Account) and account.credits is not None
        return counts and self.has_change_permission(request)

    def has_unlimited_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        account = object_id and self.get_object(request, object_id)
        counts_not = isinstance(account, Account) and account.credits is None
        return counts_not and self.has_change_permission(request)

    @action(description="Top up", icon="add_card", permissions=["counted"])
    def top_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account: Account = self.get_or_404(request, object_id)
        form = TopUpForm(request.POST or None)
        if not form.is_valid():
            return self._ask(request, account, form=form, title="Top up", button="Add credits")
        top_up(account, **form.cleaned_data, actor=actor_of(request))
        amount = credits_text(form.cleaned_data["amount"])
        return self.done(request, account, message=f"Added {amount} credits.")

    @action(description="Correct", icon="edit_note", permissions=["counted"])
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account: Account = self.get_or_404(request, object_id)
        form = CorrectionForm(request.POST or None)
        if form.is_valid():
            try:
                correct(account, **form.cleaned_data, actor=actor_of(request))
            except InsufficientCredits:
                form.add_error("amount", "It has not so many credits to spend.")
        if not form.is_valid():
            return self._ask(request, account, form=form, title="Correct", button="Correct credits")
        amount: Decimal = form.cleaned_data["amount"]
        message = f"Corrected by {amount.normalize():+,f} credits."
        return self.done(request, account, message=message)

    @action(description="Make unlimited", icon="all_inclusive", permissions=["counted"])
    def make_unlimited(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account: Account = self.get_or_404(request, object_id)
        form = UnlimitedForm(request.POST or None)
        if not form.is_valid():
            title = "Let this account spend without limit?"
            return self._ask(
                request,
                account,
                form=form,
                title=title,
                button="Make unlimited",
                consequence="They are written off: counting again starts anew.",
            )
        make_unlimited(account, **form.cleaned_data, actor=actor_of(request))
        return self.done(request, account, message="It spends without limit.")

    @action(description="Count credits", icon="calculate", permissions=["unlimited"])
    def make_counted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account: Account = self.get_or_404(request, object_id)
        form = CountedForm(request.POST or None)
        if not form.is_valid():
            title = "Count this account's credits?"
            return self._ask(request, account, form=form, title=title, button="Count credits")
        make_counted(account, **form.cleaned_data, actor=actor_of(request))
        credits = credits_text(form.cleaned_data["credits"])
        return self.done(request, account, message=f"It has {credits} credits to spend.")

    def _ask(
        self,
        request: HttpRequest,
        account: Account,
        *,
        form: Form,
        consequence: str = "",
        **words: Any,
    ) -> HttpResponse:
        counts = account.credits is not None
        has = f"{credits_text(account.credits)} credits to spend" if counts else "no limit"
        question = f"It has {has}. {consequence}".rstrip()
        return self.confirm(request, account, question=question, form=form, **words)
