"""The outbound client over real sockets: what it dials, how long it waits, how much it reads."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from core import http
from tests.core.posting import answering, post, saying, speaking
from tests.receiver import Receiver, Reply


def test_an_answer(receiver: Receiver) -> None:
    receiver.reply = lambda received: Reply(201, {"X-C": "d"}, b"made")
    answer = post(receiver.url)
    assert (answer.failure, answer.status, answer.body) == ("", 201, b"made")
    assert answer.headers["X-C"] == "d"
    assert answer.address == "127.0.0.1"
    sent = receiver.requests[0].headers
    assert sent["x-a"] == "b"
    assert not {"accept-encoding", "cookie", "accept"} & set(sent)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", b"/"),
        ("?a=1#b", b"/?a=1"),
        ("/a b/\u00fc?c=d%20e&f=\u00fc", b"/a%20b/%C3%BC?c=d%20e&f=%C3%BC"),
        ("/a%2Fb%0d%0aX-Evil:1", b"/a%2Fb%0D%0AX-Evil:1"),
    ],
)
def test_a_request_byte_for_byte(path: str, target: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        answer = threads.submit(post, f"http://{address}{path}", headers={"X-A": "\u00fc"})
        connection, _ = server.accept()
        with connection:
            received = connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert answer.result().status == 200
    lines = [b"POST %s HTTP/1.1" % target, b"Host: " + address.encode(), b"X-A: \xc3\xbc"]
    assert received == b"\r\n".join([*lines, b"Content-Length: 2", b"", b"{}"])


@pytest.mark.parametrize("text", ["b\r\nX-Evil: 1", "b\nX-Evil: 1", "b\rX-Evil: 1", "b\0"])
def test_no_header_smuggles_in_another(receiver: Receiver, text: str) -> None:
    for headers in ({"X-A": text}, {text: "b"}):
        assert post(receiver.url, headers=headers).failure == "request_failed"
    assert receiver.requests == []


def test_a_connection_is_kept_alive() -> None:
    connections: list[int] = []

    def answer_all(connection: socket.socket) -> None:
        connections.append(connection.getpeername()[1])
        answering()(connection)

    with speaking(answer_all) as url:
        assert [post(url).status for _ in range(3)] == [200, 200, 200]
    assert len(connections) == 1


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.reply = lambda received: Reply(307, {"Location": receiver.url})
    assert post(receiver.url).failure == "redirect_refused"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_a_status_that_is_no_success(receiver: Receiver, status: int) -> None:
    receiver.reply = lambda received: Reply(status)
    answer = post(receiver.url)
    assert (answer.failure, answer.status) == ("http_error", status)


def test_16_kib_are_kept_and_no_more_is_read() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
        for _ in range(4_000):
            connection.sendall(b"x" * 65536)
            sent += 65536

    with speaking(flood) as url:
        answer = post(url)
        time.sleep(0.2)
    assert (answer.failure, len(answer.body)) == ("", 16 * 1024)
    assert sent < 20_000_000


def test_a_drip_cannot_stretch_the_total(new_client: Callable[..., http.Client]) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.2)

    with speaking(drip) as url:
        answer = post(url, client=new_client(TOTAL_SECONDS=1))
    assert answer.failure == "timeout"
    assert 0.9 < answer.duration < 2


def test_what_goes_wrong_has_a_name(resolve: dict[str, list[str]]) -> None:
    with speaking(saying()) as url:
        assert post(url).failure == "connection_closed"
    with speaking(saying(b"nonsense\r\n\r\n")) as url:
        assert post(url).failure == "response_broken"
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen, nor can anybody else
        port = deaf.getsockname()[1]
        assert post(f"http://127.0.0.1:{port}/").failure == "connection_refused"
    with speaking(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        assert post(url.replace("http:", "https:")).failure == "tls_failed"
    assert post("https://10.0.0.1/").failure == "url_refused"
    assert post("https://does-not-exist.invalid/").failure == "dns_lookup_failed"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
    ],
)
def test_the_address_really_dialled_is_checked(
    receiver: Receiver, resolve: dict[str, list[str]], settings: Settings, address: str
) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    resolve["inside.example"] = [address]
    settings.WEBHOOK_ALLOWED_TARGETS = []
    answer = post(f"https://inside.example:{port}/hook")
    assert answer.failure == "address_refused"
    assert receiver.requests == []


def test_a_host_that_the_operator_named_may_be_inside(
    receiver: Receiver, resolve: dict[str, list[str]], settings: Settings
) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    resolve["n8n.internal"] = ["127.0.0.1"]
    settings.WEBHOOK_ALLOWED_TARGETS = ["n8n.internal"]
    assert post(f"http://n8n.internal:{port}/hook").status == 200
