"""Requests to a carrier: what is proof that nothing went out, and that they end in time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from calls.carriers import exchange
from calls.carriers.exchange import AnswerLost, NotSent, ask
from tests.calls.twilio.standin import SID, TOKEN, Answer, standing_in
from tests.core.certificates import Authority, make_authority

AUTH = (SID, TOKEN)
ORDER = {"To": "+14155550123", "From": "+14155550100"}
CALLS = f"/2010-04-01/Accounts/{SID}/Calls.json"
Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """A bare port; `serve` says what happens to each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def listening_tls(authority: Authority, serve: Serve) -> Iterator[int]:
    context = authority.serving("127.0.0.1")

    def serve_tls(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            serve(secured)

    with listening(serve_tls) as port:
        yield port


def hang(connection: socket.socket) -> None:
    """Read, and say nothing until the other side has gone."""
    while connection.recv(4096):
        pass


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests end within a second, which is the same code as ten."""
    monkeypatch.setattr(exchange, "TOTAL_SECONDS", 1.0)
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.5)


def test_nobody_listens() -> None:
    with standing_in() as gone:
        pass
    with pytest.raises(NotSent):
        ask("POST", gone.url + CALLS, auth=AUTH, form=ORDER)


def test_tls_that_fails_is_proof_that_nothing_went_out() -> None:
    def speak_no_tls(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(speak_no_tls) as port, pytest.raises(NotSent):
        ask("POST", f"https://127.0.0.1:{port}/", auth=AUTH, form=ORDER)


def test_a_certificate_of_nobody_is_proof_that_nothing_went_out(tmp_path: Path) -> None:
    with listening_tls(make_authority(tmp_path), hang) as port, pytest.raises(NotSent):
        ask("POST", f"https://127.0.0.1:{port}/", auth=AUTH, form=ORDER)


@pytest.mark.usefixtures("hurry")
def test_under_tls_too_silence_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setattr(exchange._line.session, "verify", str(authority.file))
    with listening_tls(authority, hang) as port:
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            ask("POST", f"https://127.0.0.1:{port}/", auth=AUTH, form=ORDER)
        assert time.monotonic() - began < 2


@pytest.mark.usefixtures("hurry")
def test_a_connection_that_is_never_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        filled = [socket.socket() for _ in range(4)]
        for one in filled:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        with pytest.raises(NotSent):
            ask("POST", f"http://127.0.0.1:{port}/", auth=AUTH, form=ORDER)
        for one in filled:
            one.close()


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    "answer",
    [Answer(status=201, delay=3), Answer(status=201, is_taken=True, drip=0.05)],
    ids=["silence", "a body byte by byte"],
)
def test_a_slow_answer_is_cut_off(answer: Answer) -> None:
    with standing_in() as twilio:
        twilio.mischief = [answer]
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            ask("POST", twilio.url + CALLS, auth=AUTH, form=ORDER)
        assert time.monotonic() - began < 2
        assert len(twilio.posts) == 1


@pytest.mark.usefixtures("hurry")
def test_a_head_byte_by_byte_is_cut_off() -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(4096)
        for byte in b"HTTP/1.1 201 Created\r\nX-Slow: " + b"x" * 1000:
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(0.05)

    with listening(drip) as port:
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            ask("POST", f"http://127.0.0.1:{port}/", auth=AUTH, form=ORDER)
        assert time.monotonic() - began < 2


def test_a_thread_keeps_its_connection_and_shares_it_with_nobody() -> None:
    ports: list[int] = []

    def serve(connection: socket.socket) -> None:
        ports.append(connection.getpeername()[1])
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def twice(_: int) -> list[int]:
        return [ask("GET", f"http://127.0.0.1:{port}/", auth=AUTH).status for _ in range(2)]

    with listening(serve) as port:
        with ThreadPoolExecutor(1) as threads:
            assert list(threads.map(twice, range(2))) == [[200, 200], [200, 200]]
        assert len(ports) == 1


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with listening(serve) as port:
        for _ in range(3):
            assert ask("POST", f"http://127.0.0.1:{port}/", auth=AUTH, form=ORDER).status == 200
            time.sleep(0.05)


def test_what_took_too_long_to_connect_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "TOTAL_SECONDS", 1e-9)
    with standing_in() as twilio:
        with pytest.raises(NotSent):
            ask("POST", twilio.url + CALLS, auth=AUTH, form=ORDER)
        time.sleep(0.1)
        assert twilio.asked == []


def test_a_redirect_is_not_followed() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
        )

    with listening(serve) as port:
        assert ask("POST", f"http://127.0.0.1:{port}/", auth=AUTH, form=ORDER).status == 307
