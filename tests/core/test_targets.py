"""Which URLs a subscription may have, and which addresses are dialled."""

import ipaddress

import pytest
from django.conf import settings
from pytest_django import Settings

from core.errors import InvalidUrl
from core.targets import check_url, is_allowed

REFUSED = [
    "",
    "nonsense",
    "//example.org/",
    "ftp://example.org/",
    "https://",
    "http://example.org/",
    "https://user:pass@example.org/",
    "https://user@example.org/",
    "https://example.org:22/",
    "https://example.org:80/",
    "https://example.org:1023/",
    "https://example.org:99999/",
    "https://localhost/",
    "https://localhost.:8443/",
    "https://api.localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://１２７.0.0.1/",
    "https://0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/",
    "https://168.63.129.16/",
    "https://192.0.0.170/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://xn--/",
    "https://xn--a.example/",
    "https://xn--127-/",
]


@pytest.fixture(autouse=True)
def _nothing_internal(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = []


@pytest.mark.parametrize("url", REFUSED)
def test_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hook?a=b",
        "https://example.org:443/",
        "https://example.org:1024/",
        "https://example.org:65535/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/",
        "https://bücher.example/",
    ],
)
def test_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("targets", "taken", "refused"),
    [
        (
            ["127.0.0.0/8", "::1"],
            [
                "http://127.0.0.1:9000/",
                "http://localhost:9000/",
                "https://[::1]:9000/",
                "http://127.1/",
            ],
            ["http://10.0.0.1:9000/", "http://example.org/", "http://127.0.0.1:22/"],
        ),
        (["10.1.0.0/16"], ["http://10.1.2.3/"], ["http://10.2.0.1/", "http://localhost/"]),
        (["n8n.internal"], ["http://N8N.internal:5678/"], ["http://other.internal:5678/"]),
    ],
)
def test_what_the_operator_lists(
    settings: Settings, targets: list[str], taken: list[str], refused: list[str]
) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = targets
    for url in taken:
        check_url(url)
    for url in refused:
        with pytest.raises(InvalidUrl):
            check_url(url)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"],
)
def test_public_addresses(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        ("unspecified", "0.0.0.0 0.1.2.3 ::"),
        ("loopback", "127.0.0.1 127.255.255.254 ::1"),
        ("private", "10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1"),
        ("carrier-grade NAT", "100.64.0.1 100.127.255.255"),
        ("link-local", "169.254.0.1 fe80::1 fe80::1%lo"),
        ("metadata", "169.254.169.254 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254"),
        ("unique local", "fc00::1 fd00::1"),
        ("site-local", "fec0::1 feff::1"),
        ("multicast", "224.0.0.1 233.252.0.1 239.255.255.255 ff02::1 ff0e::1"),
        ("broadcast and class E", "255.255.255.255 240.0.0.1"),
        (
            "protocol assignments",
            "192.0.0.1 192.0.0.9 192.0.0.170 192.88.99.1 2001:1::1 2001:20::1",
        ),
        ("benchmarks", "198.18.0.1 198.19.255.255 2001:2::1"),
        ("documentation", "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1"),
        ("IPv4-mapped", "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254"),
        ("IPv4-translated", "::ffff:0:7f00:1"),
        ("IPv4-compatible", "::7f00:1 ::808:808"),
        ("NAT64", "64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::7f00:1"),
        ("6to4", "2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808::"),
        ("Teredo", "2001::1 2001:0:7f00:1::"),
        ("discard only", "100::1"),
        ("not assigned", "200::1 4000::1 5f00::1 8000::1 fe00::1"),
    ],
)
def test_addresses_that_are_not_public(kind: str, addresses: str) -> None:
    let_through = [one for one in addresses.split() if is_allowed(ipaddress.ip_address(one))]
    assert let_through == [], kind


def test_loopback_is_allowed_by_default_where_we_listen_on_loopback() -> None:
    from config import settings as product

    assert product.WEBHOOK_ALLOWED_TARGETS == ["127.0.0.0/8", "::1"]
    assert settings.HOST == "127.0.0.1"
