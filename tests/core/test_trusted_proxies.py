"""Forwarded headers are believed only from the proxies that the operator named."""

import ipaddress

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from core.middleware import trusted_proxies


def seen(peer: str, **headers: str) -> tuple[str, bool]:
    """The client's address and whether it came by https, as a view sees them."""
    requests: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)
    trusted_proxies(view)(request)
    return requests[0].META["REMOTE_ADDR"], requests[0].is_secure()


@pytest.fixture(autouse=True)
def _proxies(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")]


FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.1", FORWARDED, ("203.0.113.7", True)),
        ("::1", FORWARDED, ("203.0.113.7", True)),
        ("192.0.2.1", FORWARDED, ("192.0.2.1", False)),
        ("10.0.0.1", {}, ("10.0.0.1", False)),
        (
            "10.0.0.1",
            {"X-Forwarded-For": "1.1.1.1, 203.0.113.7, 10.0.0.2"},
            ("203.0.113.7", False),
        ),
        ("10.0.0.1", {"X-Forwarded-For": "nonsense"}, ("10.0.0.1", False)),
        ("10.0.0.1", {"X-Forwarded-Proto": "gopher"}, ("10.0.0.1", False)),
    ],
)
def test_who_is_believed(peer: str, headers: dict[str, str], expected: tuple[str, bool]) -> None:
    assert seen(peer, **headers) == expected


def test_an_ipv4_proxy_is_known_on_a_socket_for_both_families() -> None:
    assert seen("::ffff:10.0.0.1", **FORWARDED) == ("203.0.113.7", True)
    assert seen("::ffff:192.0.2.1", **FORWARDED) == ("192.0.2.1", False)
