"""X-Trillet-Signature of real deliveries, checked with openssl as docs/webhooks.md says."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.webhooks.receivers.conftest import Endpoint
from tests.webhooks.receivers.programs import Program, snippet, tool
from webhooks.signing import new_secret, trillet_signature


@pytest.fixture
def program(tmp_path: Path) -> Program:
    tool("openssl")
    return snippet("X-Trillet-Signature", language="bash", folder=tmp_path)


def test_openssl_computes_it(endpoint: Endpoint) -> None:
    request = endpoint.deliver()
    line = [tool("bash"), "-c", 'printf %s "$PAYLOAD" | openssl sha256 -hmac "$WEBHOOK_SECRET"']
    variables = {"PAYLOAD": request.body.decode(), "WEBHOOK_SECRET": endpoint.secret}
    printed = subprocess.run(line, env=variables, capture_output=True, check=True).stdout.decode()
    assert printed.split()[-1] == request.headers["x-trillet-signature"]


def test_a_delivery_is_accepted(program: Program, endpoint: Endpoint) -> None:
    request = endpoint.deliver()
    assert "x-trillet-signature-new" not in request.headers
    assert program.accepts(request, secret=endpoint.secret)


def test_one_that_was_tampered_with_is_refused(program: Program, endpoint: Endpoint) -> None:
    request = endpoint.deliver()
    for body in (request.body.replace(b"call_1", b"call_2"), request.body + b"\n", b""):
        assert not program.accepts(replace(request, body=body), secret=endpoint.secret)
    unsigned = replace(request, headers={**request.headers, "x-trillet-signature": ""})
    assert not program.accepts(unsigned, secret=endpoint.secret)


def test_another_secret_refuses(program: Program, endpoint: Endpoint) -> None:
    assert not program.accepts(endpoint.deliver(), secret=new_secret())
    assert not program.accepts(endpoint.deliver(), secret=None)


def test_while_a_secret_is_rotated_either_accepts(program: Program, endpoint: Endpoint) -> None:
    new = endpoint.rotate()
    request = endpoint.deliver()
    old_signature = trillet_signature(request.body, secret=endpoint.secret)
    assert request.headers["x-trillet-signature"] == old_signature
    assert program.accepts(request, secret=endpoint.secret)
    assert program.accepts(request, secret=new)
    assert not program.accepts(request, secret=new_secret())
