"""Roles: an owner gives them, an operator works, support looks on, and nobody raises himself."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.models import Model
from django.urls import reverse

from agents.access import accounts_of
from agents.models import Account, ApiKey, OperatorAccess
from config.roles import CHANGES, permissions_of
from tests.config.pages import every_admin, rows_of
from tests.factories import make_account
from tests.operator import Operator

PASSWORD = "correct horse battery staple"
OF_ACCOUNTS = [path for path, pages in every_admin().items() if pages.account_path]


@pytest.fixture
def owner(db: None) -> Operator:
    return Operator(username="owen", role="Owner")


def role(name: str) -> Group:
    return Group.objects.get(name=name)


def make_user(name: str, *roles: str, **fields: Any) -> User:
    user = User.objects.create(username=name, is_staff=True, **fields)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


# What each may do


@pytest.mark.django_db
@pytest.mark.parametrize("name", CHANGES)
def test_a_role_has_its_permissions_and_no_others(name: str) -> None:
    held = permissions_of(role(name).permissions)
    changes = {one for one in held if ".view_" not in one} | {"auth.view_user", "auth.view_group"}
    assert changes == CHANGES[name] | {"auth.view_user", "auth.view_group"}
    seen = {f"{path.replace('/', '.view_')}" for path in OF_ACCOUNTS}
    assert seen <= held
    assert "agents.view_operatoraccess" not in held


@pytest.mark.django_db
def test_a_migration_puts_roles_right() -> None:
    role("Support").permissions.add(Permission.objects.get(codename="add_apikey"))
    role("Operator").permissions.clear()
    role("Owner").delete()

    call_command("migrate", verbosity=0)

    assert Group.objects.count() == 3
    for name, changes in CHANGES.items():
        assert changes <= permissions_of(role(name).permissions)
    assert "agents.add_apikey" not in permissions_of(role("Support").permissions)


@pytest.mark.parametrize("path", OF_ACCOUNTS)
def test_support_sees_and_changes_nothing(account: Account, path: str) -> None:
    row, support = rows_of(account)[path], Operator(role="Support", accounts=[account])
    before = type(row).objects.values().get(pk=row.pk)  # type: ignore[attr-defined]
    pages = every_admin()[path]
    buttons = [
        getattr(pages, name).__dict__.get("url_path", name)
        for name in pages._extract_action_names(pages.actions_detail)
    ]

    support.read(f"{path}/")
    page = support.read(f"{path}/{row.pk}/change/")

    for button in buttons:
        address = f"{path}/{row.pk}/{button}/"
        assert f'href="/admin/{address}"' not in page
        assert support.get(address).status_code == 403
        assert support.post(address, overlap="0").status_code == 403
    for address in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
        assert support.post(f"{path}/{address}", name="x", post="yes").status_code == 403
    for name in pages._extract_action_names(pages.actions_list):
        address = getattr(pages, name).__dict__.get("url_path", name)
        assert support.post(f"{path}/{address}/").status_code == 403
    for name in ("delete_selected", *pages._extract_action_names(pages.actions)):
        support.post(f"{path}/", action=name, _selected_action=row.pk, post="yes")
    assert type(row).objects.values().get(pk=row.pk) == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["Operator", "Support"])
def test_only_owners_manage_users_open_accounts_and_set_prices(account: Account, name: str) -> None:
    operator = Operator(role=name)
    for path in ("auth/user/", "auth/user/add/", "auth/group/", "agents/account/add/"):
        assert operator.get(path).status_code == 403
    assert operator.get("agents/price/add/").status_code == 403
    assert "/admin/auth/user/" not in operator.read("")


def test_an_operator_works(account: Account) -> None:
    operator = Operator(role="Operator", accounts=[account])
    answer = operator.post(
        "agents/apikey/add/", account=account.id, name="CRM", mode="test", scopes=["sms"]
    )
    assert 'id="secret"' in answer.content.decode()
    operator.post(f"agents/apikey/{ApiKey.objects.get().id}/revoke/")
    assert ApiKey.objects.get().revoked_at
    operator.post(f"agents/account/{account.id}/top_up/", amount="5", reason="Invoice 7")
    assert account.ledger.latest("id").actor == "olivia"


# Owners and users


def test_an_owner_makes_an_operator(owner: Operator, account: Account) -> None:
    answer = owner.post(
        "auth/user/add/",
        username="oscar",
        password1=PASSWORD,
        password2=PASSWORD,
        groups=role("Operator").pk,
        accounts=[account.pk],
    )

    assert answer.status_code == 302
    user = User.objects.get(username="oscar")
    assert (user.is_staff, user.is_superuser, user.is_active) == (True, False, True)
    assert [one.name for one in user.groups.all()] == ["Operator"]
    assert accounts_of(user) == [account.pk]
    assert "oscar" in owner.read("auth/user/")


def test_an_owner_changes_role_and_accounts(owner: Operator, account: Account) -> None:
    user = make_user("oscar", "Operator")
    path = f"auth/user/{user.pk}/change/"

    fields = {"username": "oscar", "is_active": "on", "groups": role("Support").pk}
    assert owner.post(path, **fields, every_account="on").status_code == 302

    assert [one.name for one in user.groups.all()] == ["Support"]
    assert accounts_of(user) is None
    refused = owner.post(path, **fields, every_account="on", accounts=[account.pk])
    assert "choose one of the two" in refused.content.decode()
    owner.post(path, **fields, accounts=[account.pk])
    assert accounts_of(user) == [account.pk]
    assert OperatorAccess.objects.filter(user=user).count() == 1


def test_an_owner_makes_no_administrator(owner: Operator) -> None:
    user = make_user("oscar")

    assert "is_superuser" not in owner.read(f"auth/user/{user.pk}/change/")
    owner.post(f"auth/user/{user.pk}/change/", username="oscar", is_active="on", is_superuser="on")

    user.refresh_from_db()
    assert not user.is_superuser


@pytest.mark.parametrize("is_active", [True, False])
def test_an_owner_leaves_those_above_alone(owner: Operator, is_active: bool) -> None:
    above = User.objects.create(username="root", is_superuser=True, is_active=is_active)
    beside = make_user("richard", is_active=is_active)
    beside.user_permissions.add(Permission.objects.get(codename="delete_user"))

    for user in (above, beside):
        for page in ("change", "password"):
            answer = owner.post(
                f"auth/user/{user.pk}/{page}/",
                username="taken",
                is_active="on",
                password1=PASSWORD,
                password2=PASSWORD,
                usable_password="true",
            )
            assert answer.status_code == 403
        assert owner.get(f"auth/user/{user.pk}/change_password/").status_code == 403


def test_an_owner_gives_no_role_that_can_do_more(owner: Operator) -> None:
    more = Group.objects.create(name="Auditor")
    more.permissions.add(Permission.objects.get(codename="delete_user"))
    user = make_user("oscar")
    path = f"auth/user/{user.pk}/change/"

    assert "Auditor" not in owner.read(path)
    page = owner.post(path, username="oscar", groups=more.pk).content.decode()

    assert "Select a valid choice" in page
    assert not user.groups.exists()


@pytest.mark.parametrize("name", [None, "Owner"])
def test_nobody_changes_their_own_role_or_accounts(account: Account, name: str | None) -> None:
    operator = Operator(role=name)
    user = operator.user
    before = (user.is_superuser, list(user.groups.all()), accounts_of(user))

    operator.post(
        f"auth/user/{user.pk}/change/",
        username="olivia",
        email="olivia@example.org",
        is_superuser="" if user.is_superuser else "on",
        groups=role("Support").pk,
        accounts=[account.pk],
    )

    user = User.objects.get(pk=user.pk)
    assert (user.is_superuser, list(user.groups.all()), accounts_of(user)) == before
    assert (user.email, user.is_active) == ("olivia@example.org", True)
    own_password = operator.get(f"auth/user/{user.pk}/password/")
    assert own_password["Location"] == reverse("admin:password_change")


def test_the_roles_that_come_along_are_not_changed(db: None) -> None:
    operator = Operator()
    support = role("Support")

    assert operator.post(f"auth/group/{support.pk}/change/", name="x").status_code == 403
    assert operator.post(f"auth/group/{support.pk}/delete/", post="yes").status_code == 403
    operator.post("auth/group/", action="delete_selected", _selected_action=support.pk, post="yes")

    assert role("Support") == support
    assert operator.post("auth/group/add/", name="Auditor").status_code == 302


def test_a_user_without_accounts_sees_none_and_an_administrator_all(account: Account) -> None:
    assert accounts_of(make_user("oscar", "Operator")) == []
    assert accounts_of(User.objects.create(username="root", is_superuser=True)) is None


def test_accounts_are_listed_beside_users(owner: Operator) -> None:
    accounts = [make_account(name=f"Clinic {n}") for n in range(5)]
    user = make_user("oscar", "Operator")
    OperatorAccess.objects.bulk_create(OperatorAccess(user=user, account=a) for a in accounts)
    assert "Clinic 0, Clinic 1, Clinic 2 and 2 more" in owner.read("auth/user/")


@pytest.mark.parametrize("path", sorted(set(every_admin()) - set(OF_ACCOUNTS)))
def test_pages_of_no_account_are_for_operators_of_every_account(
    account: Account, path: str
) -> None:
    assert Operator(role="Owner", accounts=[account]).get(f"{path}/").status_code == 403
    Operator(username="all", role="Owner").read(f"{path}/")


def secrets_of(row: Model) -> list[str]:
    names = ("digest", "secret_digest", "encrypted", "secret", "secrets", "password")
    return [str(getattr(row, name)) for name in names if getattr(row, name, "")]


@pytest.mark.parametrize("path", OF_ACCOUNTS)
def test_no_page_shows_what_is_kept_of_a_secret(account: Account, path: str) -> None:
    row, operator = rows_of(account)[path], Operator()
    shown = operator.read(f"{path}/") + operator.read(f"{path}/{row.pk}/change/")
    assert not [secret for secret in secrets_of(row) if secret in shown]
