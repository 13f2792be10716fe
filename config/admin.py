"""The operators themselves: who may log in, and what each may do."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.db.models import Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm

from agents import second_factor
from agents.access import set_accounts
from agents.models import OperatorAccess
from config.roles import MEANING, may_manage
from config.user_forms import NOT_ONES_OWN, NewUserForm, UserForm
from core.admin import NONE, OperatorAdmin, at

admin.site.unregister([User, Group])

STATE_LABELS = {"active": "success", "inactive": "danger"}
NAMES_SHOWN = 3


@admin.register(User)
class UserAdmin(auth.UserAdmin, OperatorAdmin):  # type: ignore[type-arg, misc]
    account_path = None
    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "role", "given", "second", "state", "seen"]
    list_filter = ["is_active", "groups"]
    filter_horizontal = []
    # Without the password: not even the outline of its hash is for the eyes.
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "is_active")}),
        ("Role", {"fields": ("is_superuser", "groups")}),
        ("Accounts", {"fields": ("every_account", "accounts")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "password1", "password2")}),
        ("Role", {"fields": ("groups",)}),
        ("Accounts", {"fields": ("every_account", "accounts")}),
    )
    actions_detail = ["change_password", "reset_second_factor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request)
        access = OperatorAccess.objects.select_related("account").order_by("account__name")
        users = users.select_related("second_factor")
        return users.prefetch_related("groups", Prefetch("account_access", access))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Asked with an id for a page's buttons.
        user = self.get_object(request, obj) if isinstance(obj, str) else obj
        may = bool(super().has_change_permission(request))
        return may and (user is None or may_manage(request.user, user))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not is_own(request, obj):
            return fieldsets if request.user.is_superuser else _without(fieldsets, "is_superuser")
        own = [("Role", {"fields": ("role", "given")})]
        return [*_without(fieldsets[:1], *NOT_ONES_OWN), *own]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return ["role", "given"] if obj and is_own(request, obj) else []

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        # A class for this request alone: what may be given depends on who gives.
        return type(form.__name__, (form,), {"actor": request.user})

    def save_model(
        self, request: HttpRequest, obj: User, form: "ModelForm[Any]", change: bool
    ) -> None:
        # Only operators have users here: `is_active` is what lets them in.
        obj.is_staff = True
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "accounts" in form.cleaned_data:
            set_accounts(form.instance, form.accounts_given())

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        if id == str(request.user.pk):
            return redirect("admin:password_change")  # which asks for the old one
        return super().user_change_password(request, id, form_url)

    @action(description="Change password", icon="password", permissions=["change"])
    def change_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:auth_user_password_change", object_id)

    @action(
        description="Reset two-factor login",
        icon="phonelink_erase",
        permissions=["reset"],
        variant=ActionVariant.DANGER,
    )
    def reset_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                user,
                title="Reset two-factor login?",
                question="Their password alone lets them in then, until they set it up again. Be "
                "sure that it is they who ask for it.",
                button="Reset",
            )
        second_factor.reset(user.pk)
        return self.done(request, user, message="Reset two-factor login.")

    def has_reset_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """For whoever may set the password; one's own is changed on a page that asks for proof."""
        user = self.get_object(request, object_id) if object_id else None
        if not isinstance(user, User) or is_own(request, user):
            return False
        return self.has_change_permission(request, user) and _has_second_factor(user)

    @display(description="Role")
    def role(self, user: User) -> str:
        if user.is_superuser:
            return "Administrator"
        return ", ".join(role.name for role in user.groups.all()) or NONE

    @display(description="Accounts")
    def given(self, user: User) -> str:
        accounts = [row.account for row in user.account_access.all()]
        if user.is_superuser or None in accounts:
            return "every account"
        names = ", ".join(str(account) for account in accounts[:NAMES_SHOWN])
        more = len(accounts) - NAMES_SHOWN
        return f"{names} and {more} more" if more > 0 else names or "none"

    @display(description="Two-factor login")
    def second(self, user: User) -> str:
        return "yes" if _has_second_factor(user) else NONE

    @display(description="State", label=STATE_LABELS)
    def state(self, user: User) -> str:
        return "active" if user.is_active and user.is_staff else "inactive"

    @display(description="Last login (UTC)", ordering="last_login")
    def seen(self, user: User) -> str:
        return at(user.last_login) if user.last_login else "never"


@admin.register(Group)
class GroupAdmin(auth.GroupAdmin, OperatorAdmin):  # type: ignore[misc]
    """Roles. Those that come with the server stay as they are: a migration puts them right."""

    account_path = None
    list_display = ["name", "meaning", "holders"]
    deletes = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        roles: QuerySet[Group] = super().get_queryset(request)
        return roles.prefetch_related(Prefetch("user_set", User.objects.order_by("username")))

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        if not _is_built_in(obj):
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ("name", "meaning", "holders", "may")})]

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        return ["meaning", "holders", "may"] if _is_built_in(obj) else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_built_in(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_built_in(obj) and bool(super().has_delete_permission(request, obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        queryset.exclude(name__in=MEANING).delete()

    @display(description="Whoever has it")
    def meaning(self, role: Group) -> str:
        return MEANING.get(role.name, NONE)

    @display(description="May")
    def may(self, role: Group) -> str:
        verbs: dict[str, list[str]] = {}
        for one in role.permissions.select_related("content_type"):
            verbs.setdefault(one.content_type.name, []).append(one.codename.partition("_")[0])
        lines = sorted((name, ", ".join(sorted(given))) for name, given in verbs.items())
        return format_html_join(mark_safe("<br>"), "{}: {}", lines)

    @display(description="Users")
    def holders(self, role: Group) -> str:
        return ", ".join(user.username for user in role.user_set.all()) or NONE


def is_own(request: HttpRequest, user: User) -> bool:
    return bool(user.pk == request.user.pk)


def _has_second_factor(user: User) -> bool:
    return hasattr(user, "second_factor")


def _is_built_in(role: Any) -> bool:
    return isinstance(role, Group) and role.name in MEANING


def _without(fieldsets: Any, *names: str) -> list[Any]:
    return [
        (title, {**options, "fields": tuple(f for f in options["fields"] if f not in names)})
        for title, options in fieldsets
    ]
