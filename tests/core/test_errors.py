"""Every error of the API is JSON in its surface's dialect, whatever went wrong."""

import pytest
from django.test import Client
from pytest_django import Settings

from agents.models import Agent
from tests.factories import Api


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "/api/v1/nothing", 404, "not_found"),
        ("get", "/api/nothing", 404, "not_found"),
        ("get", "/api/v1/calls/", 404, "not_found"),
        ("get", "/api/v1/calls/send/", 404, "not_found"),
        ("get", "/api/v1/calls/x/y/z", 404, "not_found"),
        ("put", "/api/v1/calls", 405, "method_not_allowed"),
        ("options", "/api/v1/calls", 405, "method_not_allowed"),
        ("delete", "/api/v1/account", 405, "method_not_allowed"),
    ],
)
def test_native_dialect(live_key: str, method: str, path: str, status: int, code: str) -> None:
    ask = getattr(Client(), method)
    answer = ask(path, headers={"X-API-Key": live_key, "Accept": "text/html"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Request-Id"]


def test_zapier_dialect(db: None) -> None:
    answer = Client().get("/api/zapier/nothing")
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


def test_405_says_what_is_allowed(api: Api) -> None:
    assert "POST" in api.get("/api/v1/calls/send")["Allow"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_another_media_type_is_415(live_key: str, kind: str) -> None:
    answer = Client().post(
        "/api/v1/calls/send", "a=b", content_type=kind, headers={"X-API-Key": live_key}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 400), (64 * 1024 + 1, 413)])
def test_a_body_over_64_kib_is_413(api: Api, size: int, status: int) -> None:
    answer = api.post("/api/v1/calls/send", b" " * size)
    assert answer.status_code == status
    if status == 413:
        assert answer.json()["error"]["code"] == "payload_too_large"


def test_a_crash_is_a_500_that_says_nothing(api: Api, agent: Agent) -> None:
    body = {"agentId": agent.native_id, "toNumber": "+14155550109"}
    answer = api.post("/api/v1/calls/send", body)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == answer["X-Request-Id"]
    assert "0109" not in answer.content.decode()


def test_an_unknown_host_is_a_bad_request_in_json(live_key: str, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["calls.example.org"]
    answer = Client().get("/api/v1/account", headers={"X-API-Key": live_key})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_plain_http_is_refused_never_redirected(live_key: str, settings: Settings) -> None:
    settings.REQUIRE_HTTPS = settings.SECURE_SSL_REDIRECT = True
    native = Client().get("/api/v1/account", headers={"X-API-Key": live_key})
    assert (native.status_code, native.json()["error"]["code"]) == (403, "https_required")
    zapier = Client().get("/api/zapier/auth/test")
    assert (zapier.status_code, zapier.json()) == (403, {"error": "https_required"})
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/admin/login/").status_code == 301
    secure = Client().get("/api/v1/account", headers={"X-API-Key": live_key}, secure=True)
    assert secure.status_code == 200


def test_a_request_id_is_taken_over_when_it_is_one(db: None) -> None:
    given = Client().get("/healthz", headers={"X-Request-Id": "trace-1234.abc"})
    assert given["X-Request-Id"] == "trace-1234.abc"
    for nonsense in ("short", "x" * 65, "a b c d e f g h", 'quote"quote'):
        answer = Client().get("/healthz", headers={"X-Request-Id": nonsense})
        assert answer["X-Request-Id"] != nonsense


def test_probes_are_answered_under_any_host(db: None, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["calls.example.org"]
    settings.REQUIRE_HTTPS = settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz", headers={"Host": "10.0.0.5"}).json() == {"status": "ok"}
    assert (
        Client().get("/readyz", headers={"Host": "10.0.0.5"}).json()["checks"]["database"] == "ok"
    )


@pytest.mark.django_db
def test_a_nul_in_a_pages_query_is_a_bad_request() -> None:
    assert Client().get("/admin/login/?next=%00").status_code == 400
