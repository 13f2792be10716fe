"""Every Zapier endpoint: keys, limits, and that whatever goes wrong is told in JSON."""

import json
from typing import Any

import pytest
from django.test import Client

from agents.models import Account
from tests.factories import Api, make_key

ENDPOINTS = [
    ("get", "/api/zapier/auth/test"),
    ("post", "/api/zapier/subscribe/call-completed"),
    ("delete", "/api/zapier/unsubscribe/01940a6e-1400-7000-8000-000000000001"),
    ("get", "/api/zapier/samples/call-disposition"),
    ("post", "/api/zapier/actions/outbound-call"),
]
TAKE_BODIES = [path for method, path in ENDPOINTS if method == "post"]
every_endpoint = pytest.mark.parametrize(("method", "path"), ENDPOINTS)
every_body = pytest.mark.parametrize("path", TAKE_BODIES)


def ask(key: str, method: str, path: str, data: object = "", **options: Any) -> tuple[int, Any]:
    client = Client(raise_request_exception=False)
    options = {"content_type": "application/json", "headers": {"X-API-Key": key}, **options}
    response = client.generic(method.upper(), path, data, **options)
    assert response["Content-Type"] == "application/json"
    assert response["X-Request-Id"]
    return response.status_code, json.loads(response.content)


@every_endpoint
def test_no_key(db: None, method: str, path: str) -> None:
    assert ask("", method, path) == (401, {"error": "Missing API key"})


@every_endpoint
def test_wrong_key(db: None, method: str, path: str) -> None:
    assert ask("nonsense", method, path) == (401, {"detail": "Invalid API key"})


@every_endpoint
def test_too_many_requests(account: Account, method: str, path: str) -> None:
    key = make_key(account, requests_per_minute=0)
    status, body = ask(key, method, path)
    assert status == 429
    assert list(body) == ["error"]
    assert body["error"].startswith("Too many requests. Please try again in ")


@every_endpoint
def test_other_methods(live_key: str, method: str, path: str) -> None:
    for other in {"get", "post", "put", "patch", "delete", "options"} - {method}:
        assert ask(live_key, other, path) == (
            405,
            {"error": "This method is not allowed here"},
        )


@every_endpoint
def test_a_trailing_slash_is_not_there_and_redirects_nowhere(
    live_key: str, method: str, path: str
) -> None:
    status, body = ask(live_key, method, f"{path}/")
    assert (status, list(body)) == (404, ["error"])


def test_an_unknown_path(live_key: str) -> None:
    assert ask(live_key, "get", "/api/zapier/nothing") == (404, {"error": "not found"})


@every_endpoint
def test_plain_http_is_refused_not_redirected(
    live_key: str, method: str, path: str, settings: Any
) -> None:
    settings.REQUIRE_HTTPS = True
    assert ask(live_key, method, path) == (403, {"error": "https_required"})


@every_body
@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("{", "The body is not valid JSON"),
        ("[]", "The body must be a JSON object"),
        ('"text"', "The body must be a JSON object"),
        (b"\xff", "The body is not UTF-8"),
        ('{"to_number": "\\u0000"}', "The body has a NUL character"),
        ('{"params": {"n": NaN}}', "The body has a number that is not finite"),
    ],
)
def test_a_body_that_cannot_be_read(live_key: str, path: str, data: object, error: str) -> None:
    assert ask(live_key, "post", path, data) == (400, {"error": error})


@every_body
def test_what_a_query_cannot_say(live_key: str, path: str) -> None:
    assert ask(live_key, "post", f"{path}?agent_id=%00") == (
        400,
        {"error": "The body has a NUL character"},
    )
    too_many = "&".join(f"f{number}=1" for number in range(1001))
    assert ask(live_key, "post", f"{path}?{too_many}") == (
        400,
        {"error": "The request is invalid"},
    )


@every_body
def test_another_content_type(live_key: str, path: str) -> None:
    status, body = ask(live_key, "post", path, "<a/>", content_type="text/xml")
    assert (status, list(body)) == (415, ["error"])


@every_body
def test_a_large_body(live_key: str, path: str) -> None:
    assert ask(live_key, "post", path, "x" * 65_537) == (
        413,
        {"error": "The request body is larger than 64 KiB"},
    )


def test_the_answer_carries_the_keys_limit(api: Api) -> None:
    answer = api.get("/api/zapier/samples/call-disposition")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("60", "59")
