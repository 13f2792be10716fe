"""Names that change their address between two looks."""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from pytest_django import Settings

from core import http
from tests.core.certificates import HOST, Authority
from tests.core.posting import answering, at, post, saying, speaking

# The one that may be dialled here; the server listens on both, and knows which one was dialled.
PUBLIC, INSIDE = "127.0.0.2", "127.0.0.1"
pytestmark = pytest.mark.allow_hosts([PUBLIC, INSIDE])

Resolve = dict[str, list[str]]
Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(autouse=True)
def _only_the_public_one(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = [PUBLIC]


@pytest.fixture
def dialled() -> list[str]:
    return []


@pytest.fixture
def serve(authority: Authority, dialled: list[str]) -> Serve:
    def serve(*, keep: bool = True) -> AbstractContextManager[str]:
        def speak(connection: socket.socket) -> None:
            dialled.append(connection.getsockname()[0])
            once = saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            (answering() if keep else once)(connection)

        return speaking(speak, tls=authority.serving(HOST), address="")

    return serve


def test_public_first_then_inside(
    client: http.Client, resolve: Resolve, serve: Serve, dialled: list[str]
) -> None:
    resolve[HOST] = [PUBLIC, INSIDE]
    with serve() as first, serve() as second:
        assert post(at(HOST, first), client=client).address == PUBLIC
        # Another port is another lookup.
        answer = post(at(HOST, second), client=client)
    assert (answer.failure, answer.address) == ("address_refused", None)
    assert dialled == [PUBLIC]


def test_inside_first_then_public(
    client: http.Client, resolve: Resolve, serve: Serve, dialled: list[str]
) -> None:
    resolve[HOST] = [INSIDE, PUBLIC]
    with serve() as first, serve() as second:
        assert post(at(HOST, first), client=client).failure == "address_refused"
        assert post(at(HOST, second), client=client).status == 200
    assert dialled == [PUBLIC]


def test_a_kept_connection_stays_where_it_was_allowed(
    client: http.Client, resolve: Resolve, serve: Serve, dialled: list[str]
) -> None:
    resolve[HOST] = [PUBLIC, INSIDE]
    with serve() as url:
        assert [post(at(HOST, url), client=client).address for _ in range(3)] == [PUBLIC] * 3
    assert dialled == [PUBLIC]


def test_a_remembered_lookup_is_checked_at_every_dial(
    client: http.Client, resolve: Resolve, serve: Serve, dialled: list[str], settings: Settings
) -> None:
    resolve[HOST] = [PUBLIC]
    with serve(keep=False) as url:
        assert post(at(HOST, url), client=client).address == PUBLIC
        settings.WEBHOOK_ALLOWED_TARGETS = []
        assert post(at(HOST, url), client=client).failure == "address_refused"
    assert dialled == [PUBLIC]


@pytest.mark.parametrize("answer", [f"{INSIDE} {PUBLIC}", f"{PUBLIC} {INSIDE}"])
def test_of_several_addresses_only_public_ones_are_dialled(
    client: http.Client, resolve: Resolve, serve: Serve, dialled: list[str], answer: str
) -> None:
    resolve[HOST] = [answer]
    with serve(keep=False) as url:
        assert {post(at(HOST, url), client=client).address for _ in range(3)} == {PUBLIC}
    assert dialled == [PUBLIC] * 3


def test_changing_with_every_lookup(
    client: http.Client, resolve: Resolve, serve: Serve, dialled: list[str]
) -> None:
    resolve[HOST] = [PUBLIC, INSIDE] * 4
    for _ in range(8):
        with serve() as url:
            post(at(HOST, url), client=client)
    assert dialled == [PUBLIC] * 4
