"""Requests to a carrier: what proves that nothing went out, and that they end in time."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from structlog.testing import capture_logs

from calls.carriers import exchange
from calls.carriers.base import CarrierError, CarrierUncertain
from calls.carriers.exchange import Answer, ask
from core.version import VERSION
from tests.core.certificates import Authority, make_authority

Serve = Callable[[socket.socket], None]

ORDER = {"To": "+14155550123", "From": "+14155550100"}
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\n{}"
SLOWLY = 0.05


@dataclass(frozen=True)
class Asked:
    line: str
    headers: Message
    body: bytes
    connection: int


class Listener:
    """A bare server on loopback; `serve` says what happens to each connection."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.asked: list[Asked] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def read(self, connection: socket.socket) -> Asked | None:
        """One whole request; None where the connection ended instead."""
        with connection.makefile("rb") as stream:
            line = stream.readline()
            if not line:
                return None
            headers = message_from_bytes(b"".join(iter(stream.readline, b"\r\n")))
            body = stream.read(int(headers["Content-Length"] or 0))
        port = connection.getpeername()[1]
        self.asked.append(Asked(line.decode().strip(), headers, body, port))
        return self.asked[-1]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._handle, args=[connection], daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._serve(connection)


@contextmanager
def listening(serve: Serve) -> Iterator[Listener]:
    listener = Listener(serve)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def answering(*answers: bytes, then: Serve | None = None) -> Iterator[Listener]:
    """Gives each connection these answers, one a request, then closes it or lets `then` go on."""

    def serve(connection: socket.socket) -> None:
        for answer in answers:
            if listener.read(connection):
                connection.sendall(answer)
        if then:
            then(connection)

    with listening(serve) as listener:
        yield listener


@contextmanager
def answering_tls(authority: Authority, answer: bytes = OK) -> Iterator[str]:
    context = authority.serving("127.0.0.1")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            listener.read(secured)
            secured.sendall(answer)
            hang(secured)

    with listening(serve) as listener:
        yield f"https://127.0.0.1:{listener.port}/"


def hang(connection: socket.socket) -> None:
    """Read, and say nothing until the other side has gone."""
    while connection.recv(4096):
        pass


def drip(connection: socket.socket, *, start: bytes = b"", byte: bytes = b"x") -> None:
    connection.recv(65_536)
    connection.sendall(start)
    while True:
        connection.sendall(byte)
        time.sleep(SLOWLY)


def refused(url: str, **options: object) -> CarrierError:
    """The proof that nothing went out."""
    with pytest.raises(CarrierError) as proof:
        ask("POST", url, data=ORDER, **options)  # type: ignore[arg-type]
    return proof.value


def uncertain(url: str, *, data: exchange.Form | bytes = ORDER) -> str:
    """The kind of failure."""
    with pytest.raises(CarrierUncertain) as lost:
        ask("POST", url, data=data)
    return str(lost.value)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests end within a second, which is the same code as ten."""
    monkeypatch.setattr(exchange, "TOTAL_SECONDS", 1.0)
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.5)


@pytest.fixture
def in_time(hurry: None) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 1.5


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process was started to trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setattr(exchange, "_connections", exchange._servers())
    return authority


# What is sent -------------------------------------------------------------------------------------


def test_a_form_with_a_name_and_password() -> None:
    form: exchange.Form = {**ORDER, "Timeout": 20, "Event": ["ringing", "completed"]}
    with answering(OK) as server:
        answer = ask("POST", server.url + "Calls.json", data=form, auth=("AC1", "p:w"))
    (asked,) = server.asked
    assert (answer, answer.is_success) == (Answer(status=200, body=b"{}"), True)
    assert asked.line == "POST /Calls.json HTTP/1.1"
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"AC1:p:w").decode()
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["User-Agent"] == f"Outdial/{VERSION}"
    assert parse_qs(asked.body.decode()) == {
        "To": ["+14155550123"],
        "From": ["+14155550100"],
        "Timeout": ["20"],
        "Event": ["ringing", "completed"],
    }


def test_a_body_with_its_headers() -> None:
    with answering(OK) as server:
        ask("POST", server.url, data=b"{\xff}", headers={"Content-Type": "text/x", "X-Mine": "7"})
    (asked,) = server.asked
    assert asked.body == b"{\xff}"
    assert (asked.headers["Content-Type"], asked.headers["X-Mine"]) == ("text/x", "7")
    assert asked.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_question_without_a_body(method: str) -> None:
    with answering(HEAD.replace(b"200", b"404") + b"Content-Length: 0\r\n\r\n") as server:
        answer = ask(method, server.url + "calls/1", data=b"")
    assert server.asked[0].line == f"{method} /calls/1 HTTP/1.1"
    assert (answer.status, answer.is_success, answer.said) == (404, False, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"sid": "CA1"}', {"sid": "CA1"}),
        (b'["sid"]', {}),
        (b"null", {}),
        (b"\xff", {}),
        (b"[" * 100_000, {}),
        (b"9" * 5_000, {}),
    ],
)
def test_what_an_answer_says(body: bytes, said: object) -> None:
    assert Answer(status=200, body=body).said == said


def test_the_environment_and_earlier_answers_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login eve password x\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    cookie = HEAD + b"Set-Cookie: who=eve; Path=/\r\nContent-Length: 0\r\n\r\n"
    with answering(cookie, OK) as server:
        for _ in range(2):
            ask("POST", server.url, data=ORDER)
    for asked in server.asked:
        assert asked.headers["Cookie"] is None
        assert asked.headers["Authorization"] is None


@pytest.mark.parametrize("location", [b"/again", b"http://[", b""])
def test_a_redirect_is_an_answer(location: bytes) -> None:
    head = b"HTTP/1.1 307 Go\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with answering(head, OK) as server:
        assert ask("POST", server.url, data=ORDER).status == 307
    assert len(server.asked) == 1


# Proof that nothing went out ----------------------------------------------------------------------


def test_nobody_listens() -> None:
    with answering() as gone:
        pass
    proof = refused(gone.url)
    assert (proof.permanent, proof.reason) == (False, "carrier_down")
    assert str(proof) == "ConnectionRefusedError"


def test_a_name_that_nobody_has() -> None:
    proof = refused("http://no-such-host.invalid/")
    assert (proof.permanent, proof.reason, str(proof)) == (False, "carrier_down", "gaierror")


def test_tls_that_fails() -> None:
    def speak_no_tls(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(speak_no_tls) as server:
        proof = refused(f"https://127.0.0.1:{server.port}/")
    assert (proof.permanent, proof.reason, str(proof)) == (False, "carrier_down", "SSLError")


def test_a_certificate_of_nobody(authority: Authority) -> None:
    with answering_tls(authority) as url:
        proof = refused(url)
    assert (proof.permanent, proof.reason) == (False, "carrier_down")
    assert str(proof) == "SSLCertVerificationError"


@pytest.mark.usefixtures("in_time")
def test_a_tls_handshake_that_drips() -> None:
    with listening(lambda connection: drip(connection, start=b"\x16\x03\x03\x40\x00")) as server:
        assert refused(f"https://127.0.0.1:{server.port}/").reason == "carrier_down"


@pytest.mark.usefixtures("in_time")
def test_connections_that_are_never_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        filled = [socket.socket() for _ in range(4)]
        for one in filled:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        address = socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: address * 9)
        assert str(refused("http://many.example.org/")) == "TimeoutError"
        for one in filled:
            one.close()


def test_the_next_of_its_addresses_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering() as gone:
        pass
    with answering(OK) as server:
        addresses = [
            *socket.getaddrinfo("127.0.0.1", gone.port, type=socket.SOCK_STREAM),
            *socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: addresses)
        assert ask("POST", "http://two.example.org/", data=ORDER).status == 200


def test_what_took_too_long_to_connect_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "TOTAL_SECONDS", 1e-9)
    with answering(OK) as server:
        assert str(refused(server.url)) == "TimeoutError"
        time.sleep(0.1)
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://",
        "http:///calls",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "http://" + "x" * 64 + ".example.org/",
        "http://.example.org/",
        "http://\u2603\ud800.example.org/",
    ],
)
def test_an_address_that_cannot_be(url: str) -> None:
    proof = refused(url)
    assert (proof.permanent, proof.reason) == (True, "carrier_not_configured")


@pytest.mark.parametrize(
    "options", [{"auth": ("AC1", "\u2603")}, {"headers": {"X-Mine": "a\r\nX-Other: b"}}]
)
def test_credentials_that_no_header_can_hold(options: dict[str, object]) -> None:
    with answering(OK) as server:
        proof = refused(server.url, **options)
    assert (proof.permanent, proof.reason) == (True, "carrier_not_configured")
    assert server.asked == []


# What proves nothing ------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize(
    "serve",
    [
        hang,
        drip,
        lambda connection: drip(connection, start=HEAD + b"X-Slow: "),
        lambda connection: drip(connection, start=HEAD, byte=b"X: y\r\n"),
        lambda connection: drip(connection, start=HEAD + b"Content-Length: 500\r\n\r\n"),
        lambda connection: drip(connection, start=HEAD + b"\r\n"),
        lambda connection: drip(
            connection, start=HEAD + b"Transfer-Encoding: chunked\r\n\r\n", byte=b"1\r\nx\r\n"
        ),
    ],
    ids=["silence", "status", "header", "headers", "body", "endless body", "chunks"],
)
def test_a_slow_answer_is_cut_off(serve: Serve) -> None:
    with listening(serve) as server:
        assert uncertain(server.url) == "TimeoutError"


@pytest.mark.usefixtures("in_time")
def test_under_tls_too(trusted: Authority) -> None:
    with answering_tls(trusted, HEAD + b"Content-Length: 9\r\n\r\n") as url:
        assert uncertain(url) == "TimeoutError"


@pytest.mark.usefixtures("in_time")
def test_a_server_that_does_not_read() -> None:
    with listening(lambda connection: time.sleep(2)) as server:
        assert uncertain(server.url, data=b"x" * 20_000_000) == "TimeoutError"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2",
        HEAD + b"Content-Length: 50\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nz\r\n",
        HEAD + b"X: " + b"y" * 70_000,
    ],
    ids=["nothing", "nonsense", "status", "body", "chunk", "no chunk", "long header"],
)
def test_an_answer_that_is_none_or_not_whole(answer: bytes) -> None:
    with answering(answer) as server:
        uncertain(server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 302, 500])
def test_an_endless_answer_is_read_up_to_a_mebibyte(status: int) -> None:
    ended = threading.Event()

    def flood(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(b"x" * 65_536)
        ended.set()

    head = HEAD.replace(b"200", str(status).encode()) + b"Location: /\r\n\r\n"
    with answering(head, then=flood) as server:
        answer = ask("POST", server.url, data=ORDER)
        assert (answer.status, len(answer.body)) == (status, 1024 * 1024)
        assert ended.wait(5)


# Connections --------------------------------------------------------------------------------------


def test_connections_are_kept_and_shared_by_threads() -> None:
    def serve(connection: socket.socket) -> None:
        while server.read(connection):
            connection.sendall(OK)

    def often(_: int) -> set[int]:
        return {ask("POST", server.url, data=b"{}").status for _ in range(25)}

    with listening(serve) as server, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(often, range(8))) == [{200}] * 8
    assert len(server.asked) == 200
    assert len({asked.connection for asked in server.asked}) <= 8


def test_one_that_was_closed_meanwhile_is_not_used_again() -> None:
    with answering(OK) as server:
        for _ in range(3):
            assert ask("POST", server.url, data=ORDER).status == 200
            time.sleep(0.05)
    assert len({asked.connection for asked in server.asked}) == 3


def test_one_on_which_something_came_meanwhile_is_not_used_again() -> None:
    def stray(connection: socket.socket) -> None:
        time.sleep(0.05)
        connection.sendall(HEAD + b"Content-Length: 5\r\n\r\nstray")
        hang(connection)

    with answering(OK, then=stray) as server:
        for _ in range(3):
            assert ask("POST", server.url, data=ORDER).body == b"{}"
            time.sleep(0.1)


def test_one_that_was_idle_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "IDLE_SECONDS", 0.2)
    with answering(OK, OK, OK) as server:
        for _ in range(2):
            ask("POST", server.url, data=ORDER)
        time.sleep(0.3)
        ask("POST", server.url, data=ORDER)
    first, second, third = (asked.connection for asked in server.asked)
    assert first == second != third


def test_one_that_ends_as_the_order_comes_proves_nothing() -> None:
    def read_and_close(connection: socket.socket) -> None:
        listener.read(connection)

    with answering(OK, then=read_and_close) as listener:
        ask("POST", listener.url, data=ORDER)
        assert uncertain(listener.url) == "RemoteDisconnected"
    assert len(listener.asked) == 2


# Whom it trusts, and what it tells ----------------------------------------------------------------


def test_the_authorities_of_ssl_cert_file(trusted: Authority) -> None:
    with answering_tls(trusted) as url:
        assert ask("POST", url, data=ORDER).status == 200


def test_the_authorities_that_requests_brings(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "DEFAULT_CA_BUNDLE_PATH", str(authority.file))
    monkeypatch.setattr(exchange, "_connections", exchange._servers())
    with answering_tls(authority) as url:
        assert ask("POST", url, data=ORDER).status == 200


def test_a_certificate_for_another_name(trusted: Authority) -> None:
    with answering_tls(trusted) as url:
        assert str(refused(url.replace("127.0.0.1", "localhost"))) == "SSLCertVerificationError"


def test_the_authorities_of_the_system() -> None:
    trusting = exchange._connections.connection_pool_kw["ssl_context"]
    assert trusting.verify_mode == ssl.CERT_REQUIRED
    system = ssl.create_default_context().get_ca_certs(binary_form=True)
    assert set(system) <= set(trusting.get_ca_certs(binary_form=True))


def test_failures_tell_no_secret() -> None:
    with answering() as gone:
        pass
    urls = ["http://u:s3cret@s3cret", gone.url + "s3cret", "http://127.0.0.1:99999/s3cret"]
    with answering(b"s3cret") as server, capture_logs() as lines:
        failures = [uncertain(server.url + "s3cret")]
        for url in urls:
            proof = refused(url, auth=("s3cret", "s3cret"), headers={"X": "s3cret"})
            failures += [str(proof), repr(proof.__context__), repr(proof.__cause__)]
    assert lines[0]["event"] == "carrier_exchange_failed"
    assert "s3cret" not in repr(failures) + repr(lines)
