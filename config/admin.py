"""The operators themselves: who may log in, and what each may do."""

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from core.admin import at

admin.site.unregister([User, Group])

STATE_LABELS = {"active": "success", "inactive": "danger"}


@admin.register(User)
class UserAdmin(auth.UserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "role", "state", "seen"]
    list_filter = ["is_superuser", "is_staff", "is_active", "groups"]
    # Without the password: not even the outline of its hash is for the eyes.
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        ("May log in", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("May do", {"fields": ("groups", "user_permissions")}),
    )
    actions_detail = ["change_password"]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # The history of what an operator did would go too: set them inactive instead.
        return False

    @action(description="Change password", icon="password", permissions=["change"])
    def change_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:auth_user_password_change", object_id)

    @display(description="Role")
    def role(self, user: User) -> str:
        if user.is_superuser:
            return "Administrator"
        return "Operator" if user.is_staff else "No access"

    @display(description="State", label=STATE_LABELS)
    def state(self, user: User) -> str:
        return "active" if user.is_active else "inactive"

    @display(description="Last login (UTC)", ordering="last_login")
    def seen(self, user: User) -> str:
        return at(user.last_login) if user.last_login else "never"


@admin.register(Group)
class GroupAdmin(auth.GroupAdmin, ModelAdmin):
    pass
