"""An operator at the admin pages."""

from typing import Any

from django.contrib.auth.models import User
from django.test import Client


class Operator:
    """A browser in which an administrator has logged in."""

    def __init__(self, *, username: str = "olivia") -> None:
        self.browser = Client()
        # Without a password: hashing one takes longer than most of these tests.
        user = User.objects.create(username=username, is_staff=True, is_superuser=True)
        self.browser.force_login(user)

    def get(self, path: str, **query: str) -> Any:
        return self.browser.get(f"/admin/{path}", query)

    def read(self, path: str, **query: str) -> str:
        """The page as text; it must be there."""
        page = self.get(path, **query)
        assert page.status_code == 200, page
        return str(page.content.decode())

    def post(self, path: str, **fields: Any) -> Any:
        return self.browser.post(f"/admin/{path}", fields)
