"""The doctor's page: for those who say who may log in, and run only when it is looked at."""

import pytest
from django.core.cache import cache
from pytest_django import Settings

from agents.models import Account
from core import heartbeat
from operations.doctor import parts
from tests.operator import Operator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, settings: Settings, closed_port: int) -> None:
    monkeypatch.setattr(parts, "WORKER_SECONDS", 0.1)
    settings.BASE_URL = f"http://127.0.0.1:{closed_port}"


@pytest.mark.parametrize("role", [None, "Owner"])
def test_it_says_what_the_command_says(role: str | None) -> None:
    heartbeat.beat(heartbeat.WORKER)
    page = Operator(role=role).read("doctor/")
    assert "No mail server is set" in page
    assert "Heard " in page
    assert "Not heard from for a minute" in page
    assert "cannot be reached from here" in page
    assert "2 failed, 1 warning" in page


@pytest.mark.parametrize("role", ["Operator", "Support"])
def test_it_is_for_owners(role: str) -> None:
    operator = Operator(role=role)
    assert operator.get("doctor/").status_code == 403
    assert "/admin/doctor/" not in operator.read("")


def test_it_is_for_owners_of_every_account(account: Account) -> None:
    assert Operator(role="Owner", accounts=[account]).get("doctor/").status_code == 403


def test_other_pages_ask_nobody() -> None:
    cache.clear()
    operator = Operator()
    page = operator.read("")
    assert 'href="/admin/doctor/"' in page
    assert "cannot be reached from here" not in page
