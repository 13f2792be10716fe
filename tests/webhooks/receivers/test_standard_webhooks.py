"""Standard Webhooks signatures of real deliveries, checked by other people's libraries and by the
programs that docs/webhooks.md gives to receivers."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests import npm
from tests.receiver import Received
from tests.webhooks.receivers.conftest import Endpoint
from tests.webhooks.receivers.programs import NODE, library, snippet, tool
from webhooks.signing import new_secret, standard_signature

LANGUAGES = ["python", "javascript", "php", "ruby", "go", "bash"]


class Verifier(Protocol):
    def accepts(self, request: Received, *, secret: str) -> bool: ...


class PyPI:
    def accepts(self, request: Received, *, secret: str) -> bool:
        try:
            Webhook(secret).verify(request.body, request.headers)
        except WebhookVerificationError:
            return False
        return True


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool("npm")
    return npm.installed(NODE, factory=tmp_path_factory)


@pytest.fixture(
    scope="module",
    params=["PyPI standardwebhooks", "npm standardwebhooks", "npm svix", *LANGUAGES],
)
def verifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    name: str = request.param
    if name.startswith("PyPI"):
        return PyPI()
    if name.startswith("npm"):
        return library(name.split()[1], folder=request.getfixturevalue("node"))
    return snippet("Standard Webhooks", language=name, folder=tmp_path_factory.mktemp(name))


def test_a_delivery_is_accepted(verifier: Verifier, endpoint: Endpoint) -> None:
    assert verifier.accepts(endpoint.deliver(), secret=endpoint.secret)


def test_one_that_was_tampered_with_is_refused(verifier: Verifier, endpoint: Endpoint) -> None:
    request = endpoint.deliver()
    signature = request.headers["webhook-signature"]
    later = str(int(request.headers["webhook-timestamp"]) + 1)
    tampered = {
        "body": replace(request, body=request.body.replace(b"call_1", b"call_2")),
        "newline": replace(request, body=request.body + b"\n"),
        "id": with_header(request, "webhook-id", "evt_1"),
        "timestamp": with_header(request, "webhook-timestamp", later),
        "no timestamp": with_header(request, "webhook-timestamp", "soon"),
        "unsigned": with_header(request, "webhook-signature", ""),
        "empty": with_header(request, "webhook-signature", "v1,"),
        "version": with_header(request, "webhook-signature", signature.replace("v1", "v2")),
    }
    accepted = [
        name for name, one in tampered.items() if verifier.accepts(one, secret=endpoint.secret)
    ]
    assert accepted == []


def test_another_secret_refuses(verifier: Verifier, endpoint: Endpoint) -> None:
    assert not verifier.accepts(endpoint.deliver(), secret=new_secret())


def test_five_minutes_are_tolerated(verifier: Verifier, endpoint: Endpoint) -> None:
    accepted = [
        minutes
        for minutes in (-6, -4, 0, 4, 6)
        if verifier.accepts(
            endpoint.deliver(ago=timedelta(minutes=minutes)), secret=endpoint.secret
        )
    ]
    assert accepted == [-4, 0, 4]


def test_while_a_secret_is_rotated_either_accepts(verifier: Verifier, endpoint: Endpoint) -> None:
    new = endpoint.rotate()
    request = endpoint.deliver()
    assert " " in request.headers["webhook-signature"]
    assert verifier.accepts(request, secret=endpoint.secret)
    assert verifier.accepts(request, secret=new)
    assert not verifier.accepts(request, secret=new_secret())


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_secret_nothing_is_accepted(
    language: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    program = snippet("Standard Webhooks", language=language, folder=tmp_path)
    request = endpoint.deliver()
    signed_with_nothing = standard_signature(
        request.body,
        message_id=request.headers["webhook-id"],
        timestamp=int(request.headers["webhook-timestamp"]),
        secret="",
    )
    forged = with_header(request, "webhook-signature", signed_with_nothing)
    assert not program.accepts(forged, secret=None)


def test_the_lock_file_installs_from_whatever_registry_npm_knows() -> None:
    lock = (NODE / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "registry" not in lock


def with_header(request: Received, name: str, value: str) -> Received:
    return replace(request, headers={**request.headers, name: value})
