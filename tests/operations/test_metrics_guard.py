"""Who may read /metrics: whoever has the token; without one, only this machine itself."""

import ipaddress
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pytest_django import Settings

TOKEN = "a-token-for-prometheus"
ELSEWHERE = "203.0.113.7"
HERE = {"Host": "127.0.0.1:8000"}

pytestmark = pytest.mark.django_db


def ask(peer: str = "127.0.0.1", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in {**HERE, **headers}.items()}
    return Client(raise_request_exception=False).get("/metrics", REMOTE_ADDR=peer, headers=named)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_token(peer: str) -> None:
    answer = ask(peer)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"outdial_build_info{" in answer.content


@pytest.mark.parametrize("peer", [ELSEWHERE, "10.0.0.1", "2001:db8::1", "", "nonsense"])
def test_another_machine_does(peer: str, settings: Settings) -> None:
    answer = ask(peer)
    assert answer.status_code == 403
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == b"Set METRICS_TOKEN to read metrics from another machine\n"


@pytest.mark.parametrize("proxies", ["", "127.0.0.1/32"])
@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_For": ELSEWHERE},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": f"127.0.0.1, {ELSEWHERE}"},
        {"X_Forwarded_For": "nonsense"},
        {"X_Forwarded_For": ""},
        {"X_Forwarded_Proto": "https"},
        {"X_Real_Ip": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
)
def test_a_proxy_on_this_machine_is_not_this_machine(
    settings: Settings, proxies: str, headers: dict[str, str]
) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network(proxies)] if proxies else []
    assert ask(**headers).status_code == 403


def test_a_proxy_elsewhere_cannot_speak_for_this_machine(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    assert ask("10.0.0.1", X_Forwarded_For="127.0.0.1").status_code == 403
    assert ask("10.0.0.1").status_code == 403


def test_the_token_opens_from_anywhere(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    for peer in ("127.0.0.1", ELSEWHERE):
        assert ask(peer, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert ask("127.0.0.1", Authorization=f"bearer {TOKEN}", Via="1.1 proxy").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer \xe9\xe9"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"X_API_Key": TOKEN},
    ],
)
def test_nothing_else_does_where_there_is_one(settings: Settings, headers: dict[str, str]) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = ask(**headers)
    assert answer.status_code == 403
    assert TOKEN.encode() not in answer.content


def test_allowed_hosts_and_scheme_do_not_matter(settings: Settings) -> None:
    settings.REQUIRE_HTTPS = settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["calls.example.org"]
    assert ask().status_code == 200
    settings.METRICS_TOKEN = TOKEN
    right = f"Bearer {TOKEN}"
    assert ask(ELSEWHERE, Host="10.4.5.6:8000", Authorization=right).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8000"]
)
def test_this_machine_asks_for_itself_by_name(host: str) -> None:
    assert ask(Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "10.4.5.6:8000",
        "[2001:db8::1]",
        "[::1",
        "",
    ],
)
def test_a_strangers_name_does_not_lead_a_browser_here(host: str, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    answer = ask(Host=host)
    assert answer.status_code == 403
    assert answer.content.startswith(b"Set METRICS_TOKEN to read metrics under another name")


def test_only_reading_is_answered() -> None:
    assert Client().head("/metrics", headers=HERE).status_code == 200
    assert Client().post("/metrics", headers=HERE).status_code == 405


def test_openmetrics_is_spoken_too() -> None:
    answer = ask(Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    families = list(text_string_to_metric_families(answer.content.decode()))  # type: ignore[no-untyped-call]
    assert "outdial_calls_ended" in {family.name for family in families}


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_said_so(kind: type[Exception]) -> None:
    def lose(*_: Any) -> None:
        raise kind("gone")

    with connection.execute_wrapper(lose):
        answer = ask()
    assert (answer.status_code, answer.content) == (503, b"The database does not answer\n")
