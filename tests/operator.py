"""An operator at the admin pages."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client

from agents.access import set_accounts
from agents.models import Account


class Operator:
    """A browser in which an administrator has logged in, or somebody with a role and accounts."""

    def __init__(
        self,
        *,
        username: str = "olivia",
        role: str | None = None,
        accounts: Iterable[Account] | None = None,
    ) -> None:
        self.browser = Client()
        # Without a password: hashing one takes longer than most of these tests.
        self.user = User.objects.create(username=username, is_staff=True, is_superuser=not role)
        if role:
            self.user.groups.add(Group.objects.get(name=role))
            set_accounts(self.user, accounts)
        self.browser.force_login(self.user)

    def get(self, path: str, **query: str | list[str]) -> Any:
        return self.browser.get(f"/admin/{path}", query)

    def read(self, path: str, **query: str | list[str]) -> str:
        """The page as text; it must be there."""
        page = self.get(path, **query)
        assert page.status_code == 200, page
        return str(page.content.decode())

    def post(self, path: str, **fields: Any) -> Any:
        return self.browser.post(f"/admin/{path}", fields)
