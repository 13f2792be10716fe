"""Reading the environment strictly: a value that makes no sense stops the process at start."""

import ipaddress
import re
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

env = environ.Env()


def text(name: str, default: str = "") -> str:
    return str(env.str(name, default=default)).strip()


def integer(name: str, default: int, *, least: int, most: int) -> int:
    try:
        value = int(text(name) or default)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number") from None
    if not least <= value <= most:
        raise ImproperlyConfigured(f"{name} must be from {least} to {most}")
    return value


def optional_integer(name: str, *, least: int, most: int) -> int | None:
    return integer(name, least, least=least, most=most) if text(name) else None


def kept_for(name: str, default: int, *, least: int) -> timedelta | None:
    """A number of days to keep something; None where it is 0: for ever."""
    days = integer(name, default, least=0, most=36_500)
    if 0 < days < least:
        raise ImproperlyConfigured(f"{name} must be {least} or more days, or 0 for ever")
    return timedelta(days=days) or None


def decimal(name: str, default: str) -> Decimal:
    """Not negative, as the columns of prices take it: six digits before the point, four after."""
    value = text(name) or default
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,4})?", value):
        raise ImproperlyConfigured(
            f"{name} must be a decimal like 0.75, with at most four digits after the point"
        )
    return Decimal(value)


def boolean(name: str, *, default: bool) -> bool:
    words = {"": default, "1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    value = text(name).lower()
    if value not in words:
        raise ImproperlyConfigured(f"{name} must be true or false")
    return words[value]


def items(name: str) -> list[str]:
    return [item.strip() for item in text(name).split(",") if item.strip()]


def is_url(url: str, *, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and (parts.port or 1) > 0
    except ValueError:  # a port that is none
        return False


def is_mail_address(text: str) -> bool:
    """Whether it is an address, perhaps with a name: `Outdial <outdial@example.org>`."""
    named = re.fullmatch(r"[^<>@]*<([^<>]+)>", text)
    try:
        validate_email(named[1].strip() if named else text)
    except ValidationError:
        return False
    return True


def is_target(text: str) -> bool:
    """Whether it is a host name, an address or a CIDR."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        looks_like_address = re.fullmatch(r"[0-9./]+", text)
        return not looks_like_address and bool(re.fullmatch(r"[A-Za-z0-9_.-]+", text))
    return True


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
