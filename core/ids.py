"""Ids: time-ordered UUIDs inside, prefixed hex on the native surface, plain UUIDs on Zapier's."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def native_id(prefix: str, value: UUID) -> str:
    """`call_<32 hex>` for prefix `call`."""
    return f"{prefix}_{value.hex}"


def parse_id(prefix: str, text: object) -> UUID | None:
    """The UUID in `text`, written natively or plainly; None when it is neither."""
    if not isinstance(text, str):
        return None
    plain = text.strip().removeprefix(f"{prefix}_")
    # UUID() takes braces, urn: and stray hyphens too; only the two usual spellings are ids of ours.
    if len(plain) not in (32, 36) or not plain.replace("-", "").isalnum():
        return None
    try:
        value = UUID(plain)
    except ValueError:
        return None
    return value if plain.lower() in (value.hex, str(value)) else None
