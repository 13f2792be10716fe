"""Signatures: the guide's hex HMAC, and Standard Webhooks, side by side."""

import base64
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"


def new_secret() -> str:
    """`whsec_` and 32 random bytes in padded base64 (Standard Webhooks, "Symmetric" signing)."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """Whether it is `whsec_` and base64, as `new_secret` makes them."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(PREFIX) and bool(key)


def signature_headers(
    body: bytes, *, message_id: str, timestamp: int, signing_secrets: Sequence[str]
) -> dict[str, str]:
    """The headers that prove `body` is ours. `timestamp` is the attempt's, in Unix seconds.

    `signing_secrets` is one secret, or during a rotation the old and the new one: then
    `X-Trillet-Signature` stays the old one's, so that nothing breaks at the click.
    """
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            standard_signature(body, message_id=message_id, timestamp=timestamp, secret=secret)
            for secret in signing_secrets
        ),
        "X-Trillet-Signature": trillet_signature(body, secret=signing_secrets[0]),
    }
    if len(signing_secrets) > 1:
        headers["X-Trillet-Signature-New"] = trillet_signature(body, secret=signing_secrets[-1])
    return headers


def trillet_signature(body: bytes, *, secret: str) -> str:
    """Hex HMAC-SHA256 of the raw body, keyed with the secret as printed (API best practices,
    "Verifying Webhooks")."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def standard_signature(body: bytes, *, message_id: str, timestamp: int, secret: str) -> str:
    """`v1,<base64>` over `id.timestamp.body`, keyed with the bytes after `whsec_` (Standard
    Webhooks 1.0.0, "Signature scheme")."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
