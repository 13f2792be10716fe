"""The outbound client over real sockets: what it dials, how long it waits, how much it reads."""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_django import Settings

from core import http
from tests.receiver import Receiver, Reply


def post(url: str) -> http.Answer:
    answers: queue.SimpleQueue[http.Answer] = queue.SimpleQueue()
    http.client().post(http.Outgoing(url=url, headers={"X-A": "b"}, body=b"{}"), answers.put)
    return answers.get(timeout=30)


@contextmanager
def speaking(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says whatever `speak` says to each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    speak(connection)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and the addresses they resolve to, one after the other; the last one stays."""
    names: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in names:
            addresses = names[host]
            host = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_an_answer(receiver: Receiver) -> None:
    receiver.reply = lambda received: Reply(201, {"X-C": "d"}, b"made")
    answer = post(receiver.url)
    assert (answer.failure, answer.status, answer.body) == ("", 201, b"made")
    assert answer.headers["X-C"] == "d"
    assert answer.address == "127.0.0.1"
    sent = receiver.requests[0].headers
    assert sent["x-a"] == "b"
    assert not {"accept-encoding", "cookie", "accept"} & set(sent)


def test_a_connection_is_kept_alive() -> None:
    connections: list[int] = []

    def answer_all(connection: socket.socket) -> None:
        connections.append(connection.getpeername()[1])
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if not connection.recv(65536):
                return

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


def test_a_drip_cannot_stretch_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.2)

    monkeypatch.setattr(http, "TOTAL_SECONDS", 1)
    client = http.Client()
    answers: queue.SimpleQueue[http.Answer] = queue.SimpleQueue()
    with speaking(drip) as url:
        client.post(http.Outgoing(url=url, headers={}, body=b"{}"), answers.put)
        answer = answers.get(timeout=10)
    client.close()
    assert answer.failure == "timeout"
    assert 0.9 < answer.duration < 2


def test_what_goes_wrong_has_a_name(resolve: dict[str, list[str]]) -> None:
    with speaking(lambda connection: None) as url:
        assert post(url).failure == "connection_closed"
    with speaking(lambda connection: connection.sendall(b"nonsense\r\n\r\n")) as url:
        assert post(url).failure == "response_broken"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/").failure == "connection_refused"
    with speaking(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        assert post(url.replace("http:", "https:")).failure == "tls_failed"
    assert post("https://10.0.0.1/").failure == "url_refused"
    assert post("https://does-not-exist.invalid/").failure == "dns_lookup_failed"


def test_the_address_really_dialled_is_checked(
    receiver: Receiver, resolve: dict[str, list[str]], settings: Settings
) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    resolve["inside.example"] = ["127.0.0.1"]
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


def test_a_name_that_changes_its_address_gets_nowhere(
    receiver: Receiver, resolve: dict[str, list[str]], settings: Settings
) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = []
    for spelling in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"):
        resolve["rebind.example"] = [spelling]
        assert post("https://rebind.example/").failure == "address_refused"
    assert receiver.requests == []
