"""X-Twilio-Signature: proof that a callback is Twilio's and about this account.

https://www.twilio.com/docs/usage/security#validating-requests
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha1
from urllib.parse import parse_qsl, urlsplit

from calls.carriers.base import Callback, CallbackRefused

PORTS = {"http": 80, "https": 443}


def signed_fields(callback: Callback, *, credentials: Mapping[str, str]) -> Mapping[str, str]:
    """The form of a callback that the account's auth token has signed.

    Raises CallbackRefused for any other, and for one that speaks of another account.
    """
    token = credentials.get("auth_token", "")
    pairs = parse_qsl(callback.body.decode(errors="replace"), keep_blank_values=True)
    given = callback.headers.get("X-Twilio-Signature", "")
    # Without a token everybody could sign.
    if not token or not _is_signed(callback.url, pairs, given=given, token=token):
        raise CallbackRefused("X-Twilio-Signature does not match", is_forged=True)
    fields = dict(pairs)
    if fields.get("AccountSid") != credentials.get("account_sid"):
        raise CallbackRefused("It is about another account", is_forged=True)
    return fields


def _is_signed(url: str, pairs: list[tuple[str, str]], *, given: str, token: str) -> bool:
    # A field that comes with several values is signed with each of them once.
    form = "".join(name + value for name, value in sorted(set(pairs)))
    signatures = [_signature(spelling + form, token=token) for spelling in _spellings(url)]
    matches = [hmac.compare_digest(one, given.encode()) for one in signatures]
    return any(matches)


def _signature(text: str, *, token: str) -> bytes:
    return b64encode(hmac.new(token.encode(), text.encode(), sha1).digest())


def _spellings(url: str) -> Iterator[str]:
    """With the port and without it: Twilio has signed either, whatever it was given."""
    parts = urlsplit(url)
    port = parts.port or PORTS[parts.scheme]
    bare = parts.netloc.removesuffix(f":{port}")
    for netloc in (bare, f"{bare}:{port}"):
        yield parts._replace(netloc=netloc).geturl()
