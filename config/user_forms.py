"""What is filled in about the operators: who they are, their role, and their accounts."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.contrib.auth.forms import BaseUserCreationForm, UsernameField
from django.contrib.auth.models import Group, User
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from agents.access import accounts_of
from agents.models import Account, OperatorAccess
from config.roles import MEANING, roles_to_give

# Nobody raises, lowers or locks out themselves.
NOT_ONES_OWN = ("is_active", "is_superuser", "groups", "every_account", "accounts")


class RolesField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, role: Any) -> str:
        return f"{role.name} — {MEANING[role.name]}" if role.name in MEANING else str(role.name)


class AccessForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user's role and accounts, as `actor` may give them; nobody has them in their own form."""

    actor: User
    groups = RolesField(
        label="Role",
        queryset=Group.objects.order_by("id"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="Without a role they may log in, and see nothing.",
    )
    every_account = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Those that are opened later too.",
    )
    accounts = forms.ModelMultipleChoiceField(
        queryset=Account.objects.all(),
        required=False,
        widget=AutocompleteSelectMultiple(OperatorAccess._meta.get_field("account"), admin.site),
        help_text="Or just these. Everything else is not there for them.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk == self.actor.pk:
            for name in NOT_ONES_OWN:
                self.fields.pop(name, None)
            return
        self.fields["groups"].queryset = roles_to_give(self.actor)  # type: ignore[attr-defined]
        if self.instance.pk:
            ids = accounts_of(self.instance)
            self.initial.update({"every_account": ids is None, "accounts": ids or []})

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or self.cleaned_data
        if fields.get("every_account") and fields.get("accounts"):
            self.add_error("accounts", "Every account, or just these: choose one of the two.")
        return fields

    def accounts_given(self) -> list[Account] | None:
        """What `agents.access.set_accounts` takes."""
        every: bool = self.cleaned_data["every_account"]
        return None if every else list(self.cleaned_data["accounts"])


class UserForm(AccessForm):
    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "is_active", "is_superuser")
        field_classes = {"username": UsernameField}
        labels = {"is_active": "May log in", "is_superuser": "Administrator"}
        help_texts = {
            "username": "",
            "is_active": "Take it away instead of deleting somebody: their history stays.",
            "is_superuser": "May do everything, whatever the role.",
        }


class NewUserForm(AccessForm, BaseUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("username", "email")
        field_classes = {"username": UsernameField}
        help_texts = {"username": ""}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget = UnfoldAdminTextInputWidget()
        self.fields["email"].widget = UnfoldAdminEmailInputWidget()
        for name in ("password1", "password2"):
            widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
            self.fields[name].widget = widget
