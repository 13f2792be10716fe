"""API keys: `outdial_live_<43 base62><6 checksum>`, 256 random bits that scanners can find.

The checksum (CRC-32, base62) lets a secret scanner and us tell a typo without a query.
"""

import secrets
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH = 43
CHECKSUM_LENGTH = 6
PREFIXES = {"live": "outdial_live_", "test": "outdial_test_"}
STARTS = tuple(PREFIXES.values())
START_LENGTHS = {len(start) + RANDOM_LENGTH for start in STARTS}


def new_key(mode: str) -> str:
    """A fresh key for mode `live` or `test`."""
    start = PREFIXES[mode] + _base62(secrets.randbits(256), RANDOM_LENGTH)
    return start + _checksum(start)


def is_well_formed(key: str) -> bool:
    """Whether `key` could be one of ours: prefix, length and checksum."""
    start, checksum = key[:-CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    if len(start) not in START_LENGTHS or not start.startswith(STARTS):
        return False
    return start.isascii() and checksum == _checksum(start)


def hint(key: str) -> str:
    """What may be shown of a key: enough to recognise it, nothing to use."""
    return f"{key[:17]}…{key[-4:]}"


def _checksum(start: str) -> str:
    return _base62(zlib.crc32(start.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
