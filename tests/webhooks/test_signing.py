"""Signatures, against other people's code."""

import subprocess
import time

from standardwebhooks import Webhook

from webhooks.signing import new_secret, signature_headers, trillet_signature

BODY = '{"event":"call.completed","data":{"name":"Zoë"}}'.encode()


def headers(*secrets: str) -> dict[str, str]:
    return signature_headers(
        BODY, message_id="evt_1", timestamp=int(time.time()), signing_secrets=secrets
    )


def test_openssl_computes_the_guides_signature() -> None:
    secret = new_secret()
    line = ["openssl", "sha256", "-hmac", secret]
    printed = subprocess.run(line, input=BODY, capture_output=True, check=True).stdout.decode()
    assert printed.strip().endswith(trillet_signature(BODY, secret=secret))


def test_the_public_library_verifies() -> None:
    secret = new_secret()
    assert Webhook(secret).verify(BODY, headers(secret))


def test_while_two_secrets_are_live_either_verifies() -> None:
    old, new = new_secret(), new_secret()
    signed = headers(old, new)
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, signed)
    assert signed["X-Trillet-Signature"] == trillet_signature(BODY, secret=old)
    assert signed["X-Trillet-Signature-New"] == trillet_signature(BODY, secret=new)
