"""Requests as they arrive from a server, before anything of Django has seen them."""

import json
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from config.arriving import ArrivingRequest, Handler


def arriving(query: str, content_type: str) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "HTTP_HOST": "127.0.0.1",
        "PATH_INFO": "/api/v1/calls",
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "REMOTE_ADDR": "127.0.0.1",
    }
    setup_testing_defaults(environ)
    return environ


@pytest.mark.parametrize("charset", ["hex", "idna", "undefined", "utf-16", "nonsense", "utf-8"])
def test_a_query_is_read_whatever_character_set_the_body_claims(charset: str) -> None:
    environ = arriving("name=%C3%A9&x=\xff", f"application/json; charset={charset}")
    assert ArrivingRequest(environ).GET["name"] == "é"


def test_a_body_in_no_character_set_is_answered_as_any_other(db: None) -> None:
    statuses = []

    def start(status: str, *_: Any) -> Any:
        statuses.append(status)

    environ = arriving("status=busy", "application/x-www-form-urlencoded; charset=hex")
    answer = Handler()(environ, start)
    assert statuses == ["401 Unauthorized"]
    assert json.loads(b"".join(answer))["error"]["code"] == "missing_api_key"
