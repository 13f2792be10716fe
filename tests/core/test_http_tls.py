"""TLS with real certificates."""

import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest
from pytest_django import Settings

from core import http
from tests.core.certificates import HOST, Authority, make_authority, self_signed
from tests.core.posting import answering, at, post, speaking

NewClient = Callable[..., http.Client]
Resolve = dict[str, list[str]]


def test_a_private_authority_that_the_operator_added(
    authority: Authority, client: http.Client, resolve: Resolve
) -> None:
    names: list[str | None] = []
    tls = authority.serving(HOST)
    tls.sni_callback = lambda connection, name, context: names.append(name)
    resolve[HOST] = ["127.0.0.1"]
    with speaking(answering(), tls=tls) as url:
        answers = [post(at(HOST, url), client=client) for _ in range(2)]
    assert [(answer.failure, answer.status, answer.body) for answer in answers] == [
        ("", 200, b"ok")
    ] * 2
    assert {answer.address for answer in answers} == {"127.0.0.1"}
    # Once: the connection was kept.
    assert names == [HOST]


@pytest.mark.parametrize("host", ["*.clinic.example", HOST.upper(), f"{HOST}."])
def test_names_that_match(
    authority: Authority, client: http.Client, resolve: Resolve, host: str
) -> None:
    called = HOST if host.startswith("*") else host
    resolve[called.lower()] = resolve[called] = ["127.0.0.1"]
    certified = host if host.startswith("*") else HOST
    with speaking(answering(), tls=authority.serving(certified)) as url:
        assert post(at(called, url), client=client).status == 200


def test_an_address_in_the_certificate(authority: Authority, client: http.Client) -> None:
    with speaking(answering(), tls=authority.serving("127.0.0.1")) as url:
        assert post(url, client=client).status == 200
    with speaking(answering(), tls=authority.serving("127.0.0.2")) as url:
        assert post(url, client=client).failure == "tls_failed"


@pytest.mark.parametrize(
    "certificate",
    [
        lambda authority: authority.serving("other.example"),
        lambda authority: authority.serving("clinic.example"),
        lambda authority: authority.serving("*.hooks.clinic.example"),
        lambda authority: authority.serving("127.0.0.1"),
        lambda authority: authority.serving(HOST, days_left=-1),
        lambda authority: authority.serving(HOST, days_left=90),
        lambda authority: self_signed(authority.folder, host=HOST),
        lambda authority: make_authority(authority.folder, name="Stranger").serving(HOST),
    ],
    ids=["host", "parent", "wildcard", "address", "expired", "future", "self-signed", "stranger"],
)
def test_a_certificate_that_proves_nothing(
    authority: Authority,
    client: http.Client,
    resolve: Resolve,
    certificate: Callable[[Authority], ssl.SSLContext],
) -> None:
    heard: list[str] = []
    resolve[HOST] = ["127.0.0.1"]
    with speaking(lambda connection: heard.append("request"), tls=certificate(authority)) as url:
        answer = post(at(HOST, url), client=client)
    assert (answer.failure, answer.status) == ("tls_failed", None)
    assert answer.address == "127.0.0.1"
    assert heard == []


def test_an_authority_that_nobody_added(
    authority: Authority, new_client: NewClient, resolve: Resolve
) -> None:
    resolve[HOST] = ["127.0.0.1"]
    with speaking(answering(), tls=authority.serving(HOST)) as url:
        assert post(at(HOST, url), client=new_client()).failure == "tls_failed"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_refused(authority: Authority, client: http.Client, resolve: Resolve) -> None:
    tls = authority.serving(HOST)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    resolve[HOST] = ["127.0.0.1"]
    with speaking(answering(), tls=tls) as url:
        assert post(at(HOST, url), client=client).failure == "tls_failed"


def test_a_host_that_the_operator_named_is_checked_too(
    authority: Authority, client: http.Client, resolve: Resolve, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = [HOST]
    resolve[HOST] = ["127.0.0.1"]
    with speaking(answering(), tls=authority.serving(HOST)) as url:
        assert post(at(HOST, url), client=client).status == 200
    with speaking(answering(), tls=authority.serving("other.example")) as url:
        assert post(at(HOST, url), client=client).failure == "tls_failed"


def test_a_handshake_that_hangs(new_client: NewClient) -> None:
    # A client's hello is what this server takes for a request.
    with speaking(lambda connection: time.sleep(3)) as url:
        answer = post(url.replace("http:", "https:"), client=new_client(CONNECT_SECONDS=0.5))
    assert answer.failure == "connection_timeout"
    assert answer.duration < 2.5


def test_a_flood_is_cut_off_under_tls_too(
    authority: Authority, client: http.Client, resolve: Resolve
) -> None:
    sent = 0
    cut_off = threading.Event()

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        piece = b"x" * 65536
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
            while sent < 300_000_000:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            cut_off.set()

    resolve[HOST] = ["127.0.0.1"]
    with speaking(flood, tls=authority.serving(HOST)) as url:
        answer = post(at(HOST, url), client=client)
        assert (answer.failure, len(answer.body)) == ("", 16 * 1024)
        assert cut_off.wait(5)
    assert sent < 20_000_000


def test_a_server_that_never_says_goodbye_is_left_at_once(
    authority: Authority, new_client: NewClient, client: http.Client, resolve: Resolve
) -> None:
    left: list[float] = []

    def hang(connection: socket.socket) -> None:
        raw = socket.socket(fileno=connection.detach())
        raw.settimeout(10)
        while raw.recv(65536):
            pass
        left.append(time.monotonic())

    resolve[HOST] = ["127.0.0.1"]
    with speaking(hang, tls=authority.serving(HOST)) as url:
        answer = post(at(HOST, url), client=new_client(TOTAL_SECONDS=0.5))
        over = time.monotonic()
        while not left and time.monotonic() < over + 5:
            time.sleep(0.05)
    assert answer.failure == "timeout"
    assert left
    assert left[0] < over + 2
