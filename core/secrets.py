"""Secrets: random ones made, stored ones encrypted, hashes compared in constant time."""

import hashlib
import hmac
import secrets
from functools import cache, lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def random_token() -> str:
    """256 random bits, URL-safe, 43 characters."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """SHA-256 in hex. A slow hash on 256 random bits would only make a denial of service."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str, stored_digest: str) -> bool:
    return hmac.compare_digest(digest(secret), stored_digest)


def encrypt(text: str) -> str:
    """`text` under the newest of ENCRYPTION_KEYS (Fernet: AES-128-CBC with HMAC-SHA256)."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """What `encrypt` was given; any of ENCRYPTION_KEYS opens it."""
    return _opened(token, tuple(settings.ENCRYPTION_KEYS))


def renewed(token: str) -> str | None:
    """`token` under the newest of ENCRYPTION_KEYS; None where it is already.

    Raises InvalidToken when none of them opens it.
    """
    newest, *_ = keys = tuple(settings.ENCRYPTION_KEYS)
    try:
        _fernet((newest,)).decrypt(token.encode())
    except InvalidToken:
        return _fernet(keys).rotate(token.encode()).decode()
    return None


@lru_cache(maxsize=1024)
def _opened(token: str, keys: tuple[str, ...]) -> str:
    # Every webhook is signed with a secret that has to be opened first: thousands a second.
    return _fernet(keys).decrypt(token.encode()).decode()


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
