"""Webhooks at any address: taken or refused, and never one that is not public, however written."""

import ipaddress
import socket
import unicodedata
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from agents.models import Account, Agent
from agents.services import rotate_agent_secret
from tests.factories import Api, make_key
from tests.properties import ANY_CHARACTER, ANY_JSON, ANY_TEXT, tried, undone
from webhooks.models import Subscription

NATIVE, ZAPIER = "/api/v1/webhooks", "/api/zapier/subscribe/call-completed"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where nobody outside may send us: RFC 6890's registries of special addresses, and a cloud's own.
INTERNAL = [
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
        *(
            "168.63.129.16/32",
            "::/128",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
        *("64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16"),
    )
]


@pytest.fixture
def api(account: Account, settings: Settings) -> Api:
    settings.WEBHOOK_ALLOWED_TARGETS = []
    return Api(make_key(account, requests_per_minute=1_000_000))


@pytest.fixture
def secret(agent: Agent) -> str:
    return rotate_agent_secret(agent)


# How an address may be written


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    """One that is not public."""
    network = draw(st.sampled_from(INTERNAL))
    offset = draw(st.integers(0, network.num_addresses - 1))
    return network[offset]


@st.composite
def spellings(draw: st.DrawFn, address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return draw(st.sampled_from(written_v6(address)))
    if draw(st.booleans()):
        return draw(spellings_v4(address))
    inside = ipaddress.IPv6Address(f"::ffff:{address}")
    return draw(st.sampled_from(written_v6(inside)))


def written_v6(address: ipaddress.IPv6Address) -> list[str]:
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    high = ":".join(address.exploded.split(":")[:6])
    bare = [str(address), address.exploded, address.exploded.upper(), f"{high}:{low}"]
    return [f"[{one}{zone}]" for one in bare for zone in ("", "%25eth0", "%eth0", "%251")]


@st.composite
def spellings_v4(draw: st.DrawFn, address: ipaddress.IPv4Address) -> str:
    """All that inet_aton(3) reads: one to four parts, each decimal, octal or hexadecimal."""
    octets = address.packed
    parts = draw(st.integers(1, 4))
    numbers = [*octets[: parts - 1], int.from_bytes(octets[parts - 1 :], "big")]
    formats = st.sampled_from(["{}", "0{:o}", "0x{:x}", "0X{:X}", "000{:o}", "0x00{:x}"])
    text = ".".join(draw(formats).format(number) for number in numbers)
    dot = draw(st.sampled_from(".。．｡"))
    wide = draw(st.booleans())
    if wide:
        text = "".join(chr(ord(one) + 0xFEE0) if one.isalnum() else one for one in text)
    return text.replace(".", dot) + draw(st.sampled_from(["", dot]))


@st.composite
def localhosts(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(["localhost", "LocalHost", "ｌocalhost", "ⓛⓞⓒⓐⓛhost", "ℓocalhost"]))
    before = draw(st.sampled_from(["", "a.", "a。"]))
    return before + name + draw(st.sampled_from(["", ".", "。"]))


@st.composite
def urls_to(draw: st.DrawFn, hosts: st.SearchStrategy[str]) -> str:
    """An address that is fine but for its host."""
    scheme = draw(st.sampled_from(["https://", "HTTPS://", "Https://"]))
    port = draw(st.sampled_from(["", ":443", ":8443", ":65535"]))
    return scheme + draw(hosts) + port + draw(st.sampled_from(["", "/", "/hook?a=b#c", "?x"]))


@st.composite
def like_urls(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["https", "http", "HTTPS", "wss", "file", ""]) | ANY_TEXT)
    user = draw(st.sampled_from(["", "", "user@", ":@", "a:b@"]) | ANY_TEXT)
    labels = st.lists(
        st.sampled_from(["example", "org", "127", "1", "0x7f", "localhost", "xn--", "xn--a-", ""])
        | st.text(ANY_CHARACTER, max_size=4),
        max_size=4,
    )
    host = draw(labels.map(".".join) | addresses().flatmap(spellings) | localhosts())
    port = draw(st.sampled_from(["", ":443", ":80", ":0", ":65536", ":٤٤٣", ":-1"]) | ANY_TEXT)
    return f"{scheme}://{user}{host}{port}/{draw(ANY_TEXT)}"


any_urls = ANY_TEXT | like_urls() | urls_to(st.text(ANY_CHARACTER, max_size=12))
internal_urls = urls_to(addresses().flatmap(spellings) | localhosts())


def told_natively(api: Api, url: object) -> Any:
    return api.post(NATIVE, {"url": url, "events": ["call.completed"]})


def told_to_zapier(api: Api, url: object, *, agent: Agent, secret: str) -> Any:
    given = {"agent_id": str(agent.id), "agent_secret": secret, "callback_url": url}
    return api.post(ZAPIER, given)


def assert_refused(answer: Any) -> None:
    assert answer.status_code == 400, answer.content
    error = answer.json()["error"]
    assert error["code"] in ("invalid_url", "invalid_request")
    assert isinstance(error["message"], str)
    assert not Subscription.objects.exists()


def assert_refused_to_zapier(answer: Any) -> None:
    assert answer.status_code == 400, answer.content
    assert answer.json().keys() == {"error"}
    assert not Subscription.objects.exists()


def assert_names_nothing_internal(url: str) -> None:
    """As this system reads addresses, which is how one would be dialled."""
    for host in hosts_in(url):
        assert host.rstrip(".").split(".")[-1] != "localhost"
        for address in read_as_addresses(host):
            assert not any(address in network for network in INTERNAL), (url, address)


def hosts_in(url: str) -> set[str]:
    """What one library and another take for the host, as it is and as IDNA (RFC 3490) folds it."""
    hosts = {yarl.URL(url).raw_host or "", urlsplit(url.strip()).hostname or ""}
    return hosts | {unicodedata.normalize("NFKC", host).lower() for host in hosts}


def read_as_addresses(host: str) -> list[Address]:
    found: list[Address] = []
    with suppress(OSError, ValueError):
        found.append(ipaddress.IPv4Address(socket.inet_aton(host)))
    with suppress(OSError, ValueError):
        numeric = socket.getaddrinfo(host.split("%")[0], 443, flags=socket.AI_NUMERICHOST)
        found += [ipaddress.ip_address(one[4][0]) for one in numeric]
    mapped = [one.ipv4_mapped for one in found if isinstance(one, ipaddress.IPv6Address)]
    return [*found, *(one for one in mapped if one)]


@tried(40)
@given(any_urls | ANY_JSON)
@example("https://xn--a/")
def test_any_url_is_taken_or_refused(api: Api, url: object) -> None:
    with undone():
        answer = told_natively(api, url)
        if answer.status_code == 201:
            assert answer.json()["url"] == str(url).strip()
            assert_names_nothing_internal(Subscription.objects.get().url)
        else:
            assert_refused(answer)


@tried(20)
@given(any_urls | ANY_JSON)
@example("https://xn--a/")
def test_any_url_of_zapiers_is_taken_or_refused(
    api: Api, agent: Agent, secret: str, url: object
) -> None:
    with undone():
        answer = told_to_zapier(api, url, agent=agent, secret=secret)
        if answer.status_code == 201:
            assert answer.json()["callback_url"] == str(url).strip()
            assert_names_nothing_internal(Subscription.objects.get().url)
        else:
            assert_refused_to_zapier(answer)


@tried(40)
@given(internal_urls)
def test_no_spelling_of_an_internal_address_is_taken(api: Api, url: str) -> None:
    with undone():
        assert_refused(told_natively(api, url))


@tried(20)
@given(internal_urls)
def test_no_spelling_of_an_internal_address_is_taken_from_zapier(
    api: Api, agent: Agent, secret: str, url: str
) -> None:
    with undone():
        assert_refused_to_zapier(told_to_zapier(api, url, agent=agent, secret=secret))


@tried(20)
@given(internal_urls | any_urls)
def test_what_a_webhook_has_is_not_changed_to_what_it_may_not_have(api: Api, url: str) -> None:
    with undone():
        webhook = told_natively(api, "https://hear.example.org/").json()
        answer = api.patch(f"{NATIVE}/{webhook['id']}", {"url": url})
        assert answer.status_code in (200, 400), answer.content
        assert_names_nothing_internal(Subscription.objects.get().url)
