"""Clients with limits of their own, and names that resolve as a test says."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import http
from tests.core.certificates import Authority, make_authority


@pytest.fixture
def new_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., http.Client]]:
    """A client of its own, which sees the environment as it is now; limits by their names."""
    clients: list[http.Client] = []

    def new_client(**limits: float) -> http.Client:
        for name, value in limits.items():
            monkeypatch.setattr(http, name, value)
        clients.append(http.Client())
        return clients[-1]

    yield new_client
    for client in clients:
        client.close()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and what they resolve to, one answer after the other; the last one stays. Addresses
    within one answer are separated by a space."""
    names: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in names:
            return real(host, port, *args, **kwargs)
        answers = names[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [info for address in answer.split() for info in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@pytest.fixture
def client(
    authority: Authority, new_client: Callable[..., http.Client], monkeypatch: pytest.MonkeyPatch
) -> http.Client:
    """One whose operator added a private authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return new_client()
