"""How orders and reports are signed: as Standard Webhooks, and with a token for each order."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.crypto import salted_hmac

from calls.carriers.base import CallbackRefused
from webhooks.signing import PREFIX, is_secret, standard_signature

# How far the engine's clock may be from ours, and how long what it signed stays good.
TOLERANCE = timedelta(minutes=5)


def check_secret(text: str) -> None:
    """Raises ValueError for a `whsec_` secret that is none. Any other text is a secret."""
    if text.startswith(PREFIX) and not is_secret(text):
        raise ValueError("It begins with whsec_, so base64 must follow.")


def signed_headers(body: bytes, *, id: str, secret: str) -> dict[str, str]:
    """What proves that `body` is ours."""
    timestamp = int(timezone.now().timestamp())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": _signature(body, id=id, timestamp=timestamp, secret=secret),
    }


def check_signature(body: bytes, *, headers: Mapping[str, str], secret: str) -> None:
    """Raises CallbackRefused unless whoever knows `secret` signed `body` just now."""
    given = {name.lower(): value for name, value in headers.items()}
    id, sent_at = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not secret or not id or not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 12):
        raise CallbackRefused("It is not signed", is_forged=True)
    if abs(int(sent_at) - timezone.now().timestamp()) > TOLERANCE.total_seconds():
        raise CallbackRefused("It was not signed within the last 5 minutes", is_forged=True)
    expected = _signature(body, id=id, timestamp=int(sent_at), secret=secret)
    signatures = given.get("webhook-signature", "").split(" ")
    if not any(_same(one, expected) for one in signatures):
        raise CallbackRefused("The signature is wrong", is_forged=True)


def token_of(id: UUID) -> str:
    """What a report about this dial or message must show: only who got its order knows it.

    The signature does not cover the address that a report is sent to; this stands in its body.
    """
    return salted_hmac("calls.carriers.dialer", id.hex, algorithm="sha256").hexdigest()


def check_token(token: object, *, id: UUID) -> None:
    """Raises CallbackRefused unless `token` is the one of this dial or message."""
    if not isinstance(token, str) or not _same(token, token_of(id)):
        raise CallbackRefused("The token is not the one of this order", is_forged=True)


def _signature(body: bytes, *, id: str, timestamp: int, secret: str) -> str:
    """A secret that is none of Standard Webhooks' counts as its bytes in UTF-8."""
    if not secret.startswith(PREFIX):
        secret = PREFIX + b64encode(secret.encode()).decode()
    return standard_signature(body, message_id=id, timestamp=timestamp, secret=secret)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
