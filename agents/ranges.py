"""Address ranges as CIDRs: which a key may be used from, and which one an address is in."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_RANGES = 100
# What one site has: a request from beyond it is a request from somewhere else.
SITE_BITS = {4: 24, 6: 48}


def read_ranges(text: str) -> list[str]:
    """`10.0.0.0/8, 2001:db8::1` as canonical CIDRs. Raises ValueError with a sentence to show."""
    ranges = dict.fromkeys(str(_network(item)) for item in text.replace(",", " ").split())
    if len(ranges) > MOST_RANGES:
        raise ValueError(f"These are more than {MOST_RANGES} ranges")
    return list(ranges)


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text} is no address and no range such as 203.0.113.0/24") from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError(f"{text} is an IPv4 address in disguise: write it as 203.0.113.7")
    if "/" in text and str(network.network_address) != str(ipaddress.ip_address(_start(text))):
        raise ValueError(f"{text} begins in the middle of a range: did you mean {network}?")
    return network


def _start(text: str) -> str:
    return text.partition("/")[0]


def is_within(address: str, ranges: list[str]) -> bool:
    """Whether `address` is in one of `ranges`; what is no address is in none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _networks(tuple(ranges)))


@lru_cache(maxsize=1024)
def _networks(ranges: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(item) for item in ranges)


def site_of(address: str) -> str:
    """The /24 or /48 that `address` is in. Raises ValueError for what is no address."""
    found = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((found, SITE_BITS[found.version]), strict=False))
