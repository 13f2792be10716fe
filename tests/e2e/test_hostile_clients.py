"""Clients that send half of what they announce, or take for ever: on real sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.e2e.conftest import HAS_SERVICES
from tests.e2e.product import Demo, Product, wait_until

FORM = "application/x-www-form-urlencoded"
ZAPIER = "/api/zapier/actions/outbound-call"
# A request has 30 seconds to arrive; the machine may be busy with other things.
ARRIVAL_SECONDS = 60.0


def test_a_body_that_is_cut_places_no_call(product: Product, demo: Demo) -> None:
    order = json.dumps({"agentId": demo.agent_id, "toNumber": "+14155550123"}).encode()
    form = f"agent_id={demo.agent_id}&to_number=%2B14155550123".encode()
    bodies = [("/api/v1/calls/send", "application/json", order), (ZAPIER, FORM, form)]
    for path, kind, body in bodies:
        for sent in (0, len(body) // 2, len(body)):
            cut = request(demo, path, kind, length=len(body) + 1) + body[:sent]
            assert_refused(ask(product, cut, is_cut=True), path)
            if kind == FORM or sent < len(body):  # JSON that is all there is whole
                chunk = b"%x\r\n%s" % (len(body) + 1, body[:sent])
                cut = request(demo, path, kind, length=None) + chunk
                assert_refused(ask(product, cut, is_cut=True), path)

    assert product.rows("SELECT count(*) FROM calls_call") == [(0,)]
    whole = request(demo, ZAPIER, FORM, length=len(form)) + form
    assert b" 200 " in ask(product, whole).split(b"\r\n")[0]


def test_the_head_of_an_answer_has_no_body(product: Product, demo: Demo) -> None:
    lines = ["HEAD /api/v1/account HTTP/1.1", "Host: localhost", f"X-API-Key: {demo.test.key}"]
    answer = ask(product, "\r\n".join([*lines, "Connection: close", "", ""]).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: " in head.lower()
    assert not body


def test_a_chunked_body_is_read_to_its_end_and_no_further_than_any_other(
    product: Product, demo: Demo
) -> None:
    order = json.dumps({"agentId": demo.agent_id, "toNumber": "+14155550123"}).encode()
    head = request(demo, "/api/v1/calls/send", "application/json", length=None)
    assert ask(product, head + in_chunks(order)).startswith(b"HTTP/1.1 201 ")
    large = ask(product, head + in_chunks(order + b" " * 64 * 1024))
    assert large.startswith(b"HTTP/1.1 413 ")
    assert b'"payload_too_large"' in large


@pytest.mark.skipif(not HAS_SERVICES, reason="the embedded server reads a body before it asks")
def test_who_has_no_key_is_answered_before_the_body_is_there(product: Product) -> None:
    product.start("web")
    product.wait_until_alive()
    for framing in ("Content-Length: 60000", "Transfer-Encoding: chunked"):
        with connected(product) as client:
            client.sendall(
                f"POST /api/v1/webhooks HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Type: application/json\r\n{framing}\r\n\r\n".encode()
            )
            assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


@pytest.mark.timeout(240)
def test_who_says_little_or_nothing_keeps_nobody_out_and_is_hung_up_on(
    product: Product, demo: Demo
) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(product)) for _ in range(100)]
        slow = [stack.enter_context(connected(product)) for _ in range(20)]
        for client in slow:
            client.sendall(b"POST /api/v1/calls/send HTTP/1.1\r\nHost: localhost\r\n")
        ends = time.monotonic() + ARRIVAL_SECONDS
        slowest = 0.0
        while time.monotonic() < ends and not all(is_over(client) for client in slow):
            for client in slow:
                say(client, b"X-More: 1\r\n")
            began = time.monotonic()
            demo.place("+14155550123")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(1)

        assert slowest < 10
        assert all(is_over(client) for client in slow)
        wait_until(lambda: all(is_over(client) for client in silent), what="silence is over")


def request(demo: Demo, path: str, kind: str, *, length: int | None) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"X-API-Key: {demo.test.key}",
        f"Content-Type: {kind}",
        framing,
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def in_chunks(body: bytes, size: int = 1000) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@contextmanager
def connected(product: Product) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as client:
        yield client


def ask(product: Product, sent: bytes, *, is_cut: bool = False) -> bytes:
    """What is answered to `sent`, after which no more comes where it is cut."""
    with connected(product) as client:
        client.sendall(sent)
        if is_cut:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


def assert_refused(answer: bytes, path: str) -> None:
    # Whoever hung up may hear nothing; of a form in chunks nobody can tell.
    refusals = (b"HTTP/1.1 400 ", b"HTTP/1.1 411 ")
    assert not answer or answer.startswith(refusals), (path, answer)


def say(client: socket.socket, words: bytes) -> None:
    with suppress(OSError):  # it may have been hung up on
        client.sendall(words)


def is_over(client: socket.socket) -> bool:
    """Whether the server has ended the connection."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        client.settimeout(20)
