"""Rows for tests, with explicit values."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.test import Client

from agents.models import Account, Agent
from agents.services import create_agent, create_key, open_account

NUMBER = "+14155550123"
DEFAULT_NUMBER = "+14155550100"


@dataclass(frozen=True)
class Api:
    """The API as one client with one key sees it."""

    key: str

    def get(self, path: str, **headers: str) -> Any:
        return self._ask("get", path, headers=headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self._ask("delete", path, headers=headers)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        return self._ask("post", path, body, headers=headers)

    def patch(self, path: str, body: object = None, **headers: str) -> Any:
        return self._ask("patch", path, body, headers=headers)

    def _ask(self, method: str, path: str, body: object = None, *, headers: dict[str, str]) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        ask = getattr(Client(raise_request_exception=False), method)
        return ask(path, **content, headers={"X-API-Key": self.key, **named})


def make_account(*, name: str = "Clinic", credits: str | None = "1000") -> Account:
    return open_account(name=name, credits=None if credits is None else Decimal(credits))


def make_key(account: Account, *, mode: str = "live", **fields: Any) -> str:
    return create_key(account, **{"name": f"{mode} key", "mode": mode, **fields})[1]


def make_agent(
    account: Account, *, default_number: str | None = DEFAULT_NUMBER, **fields: Any
) -> Agent:
    fields = {"name": "Reminders", "default_number": default_number, **fields}
    return create_agent(account, **fields)[0]
