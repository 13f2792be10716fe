"""Which addresses webhooks may go to: public ones, and those that the operator lists."""

import ipaddress
import socket
from functools import cache

import yarl
from django.conf import settings

from core.errors import InvalidUrl

MAX_URL_BYTES = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# `is_global` of one Python or another lets these through: protocol assignments (with Teredo), 6to4
# and NAT64 (which like Teredo carry an IPv4 address inside), IPv4-compatible, site-local,
# documentation, and Azure's metadata address.
NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "::/96",
        "fec0::/10",
    )
)


def check_url(url: str) -> yarl.URL:
    """The URL as it will be dialled. Raises InvalidUrl for one that can never be.

    Names are not resolved here: their address is checked when it is dialled.
    """
    if len(url.encode(errors="replace")) > MAX_URL_BYTES:
        raise InvalidUrl("The webhook URL is longer than 2,000 bytes")
    parsed = _parsed(url)
    host = parsed.host or ""
    named = is_named(host)
    literal = _literal_address(host)
    loopback_name = host.rstrip(".").split(".")[-1] == "localhost"
    if literal is not None and not named and not is_allowed(literal):
        raise InvalidUrl("The webhook URL points to an address that is not public")
    if loopback_name and not named and not is_listed(ipaddress.ip_address("127.0.0.1")):
        raise InvalidUrl("The webhook URL points to this machine")
    internal = named or loopback_name or (literal is not None and is_listed(literal))
    if parsed.scheme != "https" and not internal:
        raise InvalidUrl("The webhook URL must use https")
    port = parsed.port or 0
    if port != 443 and port < 1024 and not (internal and port == 80):
        raise InvalidUrl("The webhook URL must use port 443 or one from 1024 up")
    return parsed


def _parsed(url: str) -> yarl.URL:
    try:
        parsed = yarl.URL(url)
        # Read here: a host that begins with xn-- and is no such name fails only now.
        host, port = parsed.host, parsed.port
    except ValueError:
        raise InvalidUrl("The webhook URL cannot be read") from None
    if parsed.scheme not in ("http", "https") or not host or not port:
        raise InvalidUrl("The webhook URL must be an absolute https URL")
    if parsed.user is not None or parsed.password is not None:
        raise InvalidUrl("The webhook URL must not carry credentials")
    return parsed


def is_named(host: str) -> bool:
    """Whether the operator listed this host name in WEBHOOK_ALLOWED_TARGETS."""
    return host.lower().rstrip(".") in _allowed(tuple(settings.WEBHOOK_ALLOWED_TARGETS))[0]


def is_listed(address: Address) -> bool:
    """Whether the operator listed this address in WEBHOOK_ALLOWED_TARGETS."""
    networks = _allowed(tuple(settings.WEBHOOK_ALLOWED_TARGETS))[1]
    address = _unmapped(address)
    return any(address in network for network in networks)


def is_allowed(address: Address) -> bool:
    """Whether `address` may be dialled: public, or listed."""
    address = _unmapped(address)
    if is_listed(address):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in NEVER)


def _unmapped(address: Address) -> Address:
    """The IPv4 address inside ::ffff:a.b.c.d, which is what the kernel dials."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _literal_address(host: str) -> Address | None:
    """The address that `host` spells: dotted, decimal, hex, octal, short or IPv6."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, UnicodeEncodeError):
        return None


@cache
def _allowed(targets: tuple[str, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    names: set[str] = set()
    networks: list[Network] = []
    for target in targets:
        try:
            networks.append(ipaddress.ip_network(target, strict=False))
        except ValueError:
            names.add(target.lower().rstrip("."))
    return frozenset(names), tuple(networks)
