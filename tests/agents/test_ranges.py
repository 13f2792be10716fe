"""A key is used from where it may be, and from nowhere else."""

import ipaddress
import re
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account, ApiKey
from agents.ranges import read_ranges, site_of
from tests.factories import make_key
from tests.operator import Operator

URL = "/api/v1/account"
REFUSED = {
    "error": {
        "code": "address_not_allowed",
        "message": "This key may not be used from this address",
    }
}


def ask(key: str, *, address: str, path: str = URL, **headers: str) -> Any:
    return Client().get(path, headers={"X-API-Key": key, **headers}, REMOTE_ADDR=address)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("203.0.113.0", 200),
        ("203.0.113.255", 200),
        ("203.0.112.255", 403),
        ("203.0.114.0", 403),
        ("::ffff:203.0.113.7", 200),
        ("2001:db8::1", 200),
        ("2001:db8:ffff:ffff::1", 200),
        ("2001:db9::1", 403),
        ("198.51.100.7", 200),
        ("198.51.100.8", 403),
        ("", 403),
    ],
)
def test_both_sides_of_a_range(account: Account, address: str, status: int) -> None:
    key = make_key(account, allowed_ranges=["203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32"])

    answer = ask(key, address=address)

    assert answer.status_code == status
    if status == 403:
        assert answer.json() == REFUSED


def test_a_key_without_ranges_is_used_from_anywhere(live_key: str) -> None:
    assert ask(live_key, address="192.0.2.77").status_code == 200


def test_zapier_is_told_in_its_dialect(account: Account) -> None:
    key = make_key(account, allowed_ranges=["203.0.113.0/24"])
    answer = ask(key, address="192.0.2.1", path="/api/zapier/auth/test")
    assert (answer.status_code, answer.json()) == (403, {"error": REFUSED["error"]["message"]})


def test_the_address_is_the_one_that_a_trusted_proxy_names(
    account: Account, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    key = make_key(account, allowed_ranges=["203.0.113.0/24"])
    named = {"X-Forwarded-For": "203.0.113.7"}

    assert ask(key, address="10.0.0.1", **named).status_code == 200
    assert ask(key, address="192.0.2.1", **named).status_code == 403
    assert ask(key, address="10.0.0.1").status_code == 403


def test_a_refused_address_uses_nothing_up_and_is_limited_itself(account: Account) -> None:
    key = make_key(account, allowed_ranges=["203.0.113.0/24"], requests_per_minute=2)

    with time_machine.travel(timezone.now(), tick=False):
        statuses = [ask(key, address="192.0.2.1").status_code for _ in range(61)]

    assert statuses == [403] * 60 + [429]
    assert ApiKey.objects.get().last_used_at is None
    assert ask(key, address="203.0.113.7")["RateLimit-Remaining"] == "1"


# What an operator may write


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        ("203.0.113.7", ["203.0.113.7/32"]),
        ("203.0.113.0/24, 2001:DB8::/32", ["203.0.113.0/24", "2001:db8::/32"]),
        ("10.0.0.0/8\r\n10.0.0.0/255.0.0.0\n", ["10.0.0.0/8"]),
        ("2001:0db8:0::/48", ["2001:db8::/48"]),
        ("0.0.0.0/0", ["0.0.0.0/0"]),
    ],
)
def test_ranges_are_read(text: str, ranges: list[str]) -> None:
    assert read_ranges(text) == ranges


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("office", "office is no address"),
        ("203.0.113.0/33", "203.0.113.0/33 is no address"),
        ("203.0.113.7/24", "did you mean 203.0.113.0/24?"),
        ("2001:db8::1/32", "did you mean 2001:db8::/32?"),
        ("::ffff:203.0.113.7", "write it as 203.0.113.7"),
        (" ".join(f"10.0.0.{n}" for n in range(101)), "more than 100 ranges"),
    ],
)
def test_what_is_no_range_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        read_ranges(text)


@pytest.mark.parametrize(
    ("address", "site"),
    [("203.0.113.7", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48")],
)
def test_the_site_of_an_address(address: str, site: str) -> None:
    assert site_of(address) == site


def test_an_operator_sets_ranges(account: Account) -> None:
    make_key(account)
    stored, operator = ApiKey.objects.get(), Operator()
    path = f"agents/apikey/{stored.id}/change/"
    fields = {"name": "CRM", "scopes": stored.scopes}

    page = operator.post(path, **fields, allowed_ranges="203.0.113.7/24").content.decode()
    assert "did you mean 203.0.113.0/24?" in page

    assert operator.post(path, **fields, allowed_ranges="203.0.113.0/24").status_code == 302
    stored.refresh_from_db()
    assert stored.allowed_ranges == ["203.0.113.0/24"]
    assert "203.0.113.0/24" in operator.read(path)
