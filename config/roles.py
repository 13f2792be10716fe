"""The roles of the admin: what each may do, written down once and put right at every migration."""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet

OWNER, OPERATOR, SUPPORT = "Owner", "Operator", "Support"

MEANING = {
    OWNER: "does everything, opens accounts, sets prices and alerts, and says who else may log in",
    OPERATOR: "runs the accounts they are given: keys, agents, credits, calls and webhooks",
    SUPPORT: "looks at everything of the accounts they are given, and changes nothing",
}

# Whoever has a role sees the rows of these, but not who else is given which account.
SEEN_APPS = ("agents", "calls", "webhooks", "operations")
UNSEEN = ("view_operatoraccess",)

OPERATES = {
    "agents.change_account",
    "agents.add_apikey",
    "agents.change_apikey",
    "agents.add_agent",
    "agents.change_agent",
    "agents.add_callerid",
    "agents.delete_callerid",
    "calls.add_call",
    "calls.change_call",
    "calls.add_donotcall",
    "calls.change_donotcall",
    "calls.delete_donotcall",
    "calls.add_callingrules",
    "calls.change_callingrules",
    "calls.add_carriercredentials",
    "calls.change_carriercredentials",
    "webhooks.add_subscription",
    "webhooks.change_subscription",
    "webhooks.change_delivery",
}
OWNS = {
    "agents.add_account",
    "agents.add_price",
    "agents.change_price",
    "agents.delete_price",
    "operations.change_alertrule",
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.view_group",
}
CHANGES = {SUPPORT: set[str](), OPERATOR: OPERATES, OWNER: OPERATES | OWNS}


def create_roles(**_: Any) -> None:
    """After a migration: each role has just its permissions, whatever it had before."""
    seen = Permission.objects.filter(
        content_type__app_label__in=SEEN_APPS, codename__startswith="view_"
    ).exclude(codename__in=UNSEEN)
    for name, changes in CHANGES.items():
        role, _is_new = Group.objects.get_or_create(name=name)
        role.permissions.set([*seen, *_named(changes)])


def _named(names: set[str]) -> list[Permission]:
    wanted = Q(pk=None)
    for name in names:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    return list(Permission.objects.filter(wanted))


def may_manage(actor: Any, user: User) -> bool:
    """Whether `actor` could do all that `user` can: who sets a password can be them."""
    if actor.is_superuser:
        return True
    holds = permissions_of(Permission.objects.filter(Q(group__user=user) | Q(user=user)))
    return not user.is_superuser and holds <= actor.get_all_permissions()


def roles_to_give(actor: Any) -> QuerySet[Group]:
    """Those that can do nothing which `actor` cannot."""
    roles = Group.objects.order_by("id")
    if actor.is_superuser:
        return roles
    held = actor.get_all_permissions()
    within = [role.pk for role in roles if permissions_of(role.permissions) <= held]
    return roles.filter(pk__in=within)


def permissions_of(permissions: Any) -> set[str]:
    """A queryset of permissions by their names, as `agents.add_apikey`."""
    names = permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in names}
