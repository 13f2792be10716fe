"""Servers that mean harm, or fail half-way: what they can cost is bounded, and has a name."""

import gzip
import socket
import threading
import time
import tracemalloc
from collections import UserDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core import http
from tests.core.posting import answering, post, saying, speaking
from tests.receiver import Receiver, Reply

NewClient = Callable[..., http.Client]
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"


def endless(start: bytes, again: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(again)

    return speak


def dripping(start: bytes, again: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(100):
            time.sleep(0.1)
            connection.sendall(again)

    return speak


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", b"x" * 4096),
        (OK, b"X-A: b\r\n" * 100),
        (OK + b"X-A: ", b"x" * 4096),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 100),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"nonsense\r\n"),
    ],
    ids=["status", "headers", "header", "continue", "hints", "trailers", "chunk size"],
)
def test_what_never_becomes_an_answer_is_cut_off(start: bytes, again: bytes) -> None:
    with speaking(endless(start, again)) as url:
        answer = post(url)
    assert answer.failure == "response_broken"
    assert answer.duration < 5


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n"),
        (OK + b"\r\n", b"x" * 4096),
    ],
    ids=["chunks", "extensions", "until closed"],
)
def test_of_an_endless_body_the_start_is_kept(start: bytes, again: bytes) -> None:
    with speaking(endless(start, again)) as url:
        answer = post(url)
    assert (answer.failure, answer.body) == ("", b"x" * 16 * 1024)


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 ", b"O"),
        (OK, b"X-A: b\r\n"),
        (OK + b"X-A: ", b"b"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    ],
    ids=["silence", "status", "headers", "header", "continue", "chunks", "body"],
)
def test_no_drip_stretches_the_total(new_client: NewClient, start: bytes, again: bytes) -> None:
    with speaking(dripping(start, again)) as url:
        answer = post(url, client=new_client(TOTAL_SECONDS=0.6))
    assert answer.failure == "timeout"
    assert 0.5 < answer.duration < 5


def test_a_request_that_nobody_reads_ends_in_time(new_client: NewClient) -> None:
    with speaking(dripping(b"", b"")) as url:
        answer = post(url, client=new_client(TOTAL_SECONDS=0.6), body=b"x" * 20_000_000)
    assert answer.failure == "timeout"


def test_an_answer_before_the_request_was_read_counts() -> None:
    with speaking(saying(EMPTY, b"")) as url:
        answer = post(url, body=b"x" * 20_000_000)
    # Closing over what was not read resets the connection, which may overtake the answer.
    assert (answer.failure, answer.status) in [("", 200), ("connection_closed", None)]


def test_interim_answers_are_passed_over() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with speaking(saying(b"HTTP/1.1 100 Continue\r\n\r\n", hints * 3, EMPTY)) as url:
        assert post(url).status == 200


def test_an_upgrade_that_nobody_asked_for_is_no_success() -> None:
    upgrade = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    with speaking(endless(upgrade, b"x" * 65536)) as url:
        answer = post(url)
    assert (answer.failure, answer.status, answer.body) == ("http_error", 101, b"")


def test_300_megabytes_cost_no_memory() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(OK + b"Content-Length: 300000000\r\n\r\n")
        piece = b"x" * 65536
        for _ in range(300_000_000 // len(piece)):
            connection.sendall(piece)
            sent += len(piece)

    with speaking(flood) as url:
        tracemalloc.start()
        answer = post(url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        time.sleep(0.2)
    assert (answer.failure, len(answer.body)) == ("", 16 * 1024)
    assert peak < 4_000_000
    # The kernel's buffers take some more than is read.
    assert sent < 20_000_000


def test_compressed_answers_are_kept_as_they_came(receiver: Receiver) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 16 * 1024
    receiver.reply = lambda received: Reply(200, {"Content-Encoding": "gzip"}, bomb)
    assert post(receiver.url).body == bomb


def test_of_many_headers_the_first_are_kept() -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 4000) for number in range(100))
    with speaking(saying(OK + b"X-A: \xff\xfe\r\n" + many + b"Content-Length: 0\r\n\r\n")) as url:
        answer = post(url)
    assert answer.status == 200
    # A database refuses what is no text.
    assert answer.headers["X-A"] == "\ufffd\ufffd"
    assert 12_000 < sum(map(len, answer.headers.values())) < 16 * 1024


@pytest.mark.parametrize(
    "start",
    [
        OK + b"Content-Length: 100\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
        OK + b"X-A: half",
    ],
    ids=["length", "chunk", "header"],
)
def test_a_server_that_closes_half_way(start: bytes) -> None:
    with speaking(saying(start)) as url:
        assert post(url).failure in {"response_broken", "connection_closed"}


def test_a_cookie_is_never_sent_back(receiver: Receiver) -> None:
    receiver.reply = lambda received: Reply(200, {"Set-Cookie": "session=1; Path=/"})
    for _ in range(2):
        assert post(receiver.url).status == 200
    assert not any("cookie" in request.headers for request in receiver.requests)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.reply = lambda received: Reply(status, {"Location": receiver.url}, b"")
    assert post(receiver.url).failure == "redirect_refused"
    assert len(receiver.requests) == 1


def test_proxies_and_netrc_of_the_environment_are_ignored(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, new_client: NewClient, tmp_path: Any
) -> None:
    heard: list[str] = []
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with speaking(lambda connection: heard.append("something")) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
            monkeypatch.setenv(name.upper(), proxy)
        client = new_client()
        assert post(receiver.url, client=client).status == 200
        assert post("https://does-not-exist.invalid/", client=client).failure == "dns_lookup_failed"
    assert heard == []
    assert "authorization" not in receiver.requests[0].headers


class TestKeptAlive:
    """A connection between two posts."""

    def test_closed_meanwhile_is_not_used(self) -> None:
        closed = threading.Semaphore(0)

        def once(connection: socket.socket) -> None:
            connection.sendall(EMPTY)
            connection.close()
            closed.release()

        with speaking(once) as url:
            for _ in range(5):
                assert post(url).status == 200
                assert closed.acquire(timeout=10)

    def test_closed_at_the_very_moment_is_not_used(self) -> None:
        close, closed = threading.Event(), threading.Event()
        served = 0

        def once(connection: socket.socket) -> None:
            nonlocal served
            served += 1
            connection.sendall(EMPTY)
            if served == 1:
                close.wait(10)
                connection.close()
                closed.set()

        class CloseNow(UserDict[str, str]):
            """Read in the client's loop right before it takes a connection, so that the loop
            cannot see the closing."""

            def __iter__(self) -> Iterator[str]:
                close.set()
                assert closed.wait(10)
                return super().__iter__()

        with speaking(once) as url:
            client = http.client()
            assert post(url, client=client).status == 200
            assert post(url, client=client, headers=CloseNow(a="b")).status == 200
        assert served == 2

    def test_closed_on_the_request_is_one_failed_attempt(self) -> None:
        requests = 0

        def once(connection: socket.socket) -> None:
            nonlocal requests
            requests += 1
            connection.sendall(EMPTY)
            if connection.recv(65536):
                requests += 1

        with speaking(once) as url:
            assert post(url).status == 200
            # Whether it was taken in, nobody can tell: the next attempt asks, not this one.
            assert post(url).failure == "connection_closed"
            assert requests == 2

    def test_an_answer_to_no_request_answers_none(self) -> None:
        speak_up, spoken = threading.Event(), threading.Event()
        connections: list[socket.socket] = []

        def ahead(connection: socket.socket) -> None:
            connections.append(connection)
            connection.sendall(EMPTY)
            if len(connections) == 1:
                speak_up.wait(10)
                connection.sendall(b"HTTP/1.1 299 Ahead\r\nContent-Length: 0\r\n\r\n")
                spoken.set()
                connection.recv(65536)

        with speaking(ahead) as url:
            assert post(url).status == 200
            speak_up.set()
            assert spoken.wait(10)
            assert post(url).status == 200

    def test_answers_to_no_request_are_cut_off(self) -> None:
        sent = 0
        cut_off = threading.Event()

        def flood(connection: socket.socket) -> None:
            nonlocal sent
            connection.sendall(EMPTY)
            time.sleep(0.1)
            piece = b"HTTP/1.1 204 No Content\r\n\r\n" * 1000
            try:
                while sent < 50_000_000:
                    connection.sendall(piece)
                    sent += len(piece)
            except OSError:
                cut_off.set()

        with speaking(flood) as url:
            assert post(url).status == 200
            assert cut_off.wait(10)
        assert sent < 20_000_000

    def test_whose_request_was_not_read_is_not_used_again(self) -> None:
        over = threading.Event()
        connections: list[socket.socket] = []

        def hasty(connection: socket.socket) -> None:
            connections.append(connection)
            connection.sendall(EMPTY)
            over.wait(10)

        with speaking(hasty) as url:
            assert post(url, body=b"x" * 20_000_000).status == 200
            assert post(url).status == 200
            over.set()
        assert len(connections) == 2

    def test_idle_for_long_is_closed_by_us(self, new_client: NewClient) -> None:
        connections: list[int] = []

        def answer(connection: socket.socket) -> None:
            connections.append(connection.getpeername()[1])
            answering()(connection)

        client = new_client(IDLE_SECONDS=1)
        with speaking(answer) as url:
            assert post(url, client=client).status == 200
            assert post(url, client=client).status == 200
            time.sleep(1.2)
            assert post(url, client=client).status == 200
        assert len(connections) == 2


def test_lookups_that_hang_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch, new_client: NewClient, receiver: Receiver
) -> None:
    real = socket.getaddrinfo
    over = threading.Event()

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).startswith("hanging"):
            over.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return real("127.0.0.1" if host == "good.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    client = new_client(CONNECT_SECONDS=2)
    failures: list[str] = []
    # More than an event loop's own threads, of which there are 32 at most.
    for number in range(40):
        outgoing = http.Outgoing(url=f"https://hanging{number}.example/", headers={}, body=b"")
        client.post(outgoing, lambda answer: failures.append(answer.failure))
    port = receiver.url.split(":")[2].split("/")[0]
    answer = post(f"https://good.example:{port}/", client=client)
    # The receiver speaks no TLS: it is enough that it was reached.
    assert answer.failure == "tls_failed"
    assert failures == []
    deadline = time.monotonic() + 5
    while len(failures) < 40 and time.monotonic() < deadline:
        time.sleep(0.05)
    over.set()
    assert failures == ["connection_timeout"] * 40
