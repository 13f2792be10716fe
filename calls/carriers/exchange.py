"""One HTTP exchange with a carrier's server, which ends in time and knows whether it began.

Whether an order may be given again depends on one thing: whether a byte of it left this machine.
So the connection itself tells, rather than the many names that a failure may have.
"""

import io
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from calls.carriers.base import CarrierError, CarrierUncertain
from core.version import VERSION

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
# A snapshot may carry the transcript of an hour.
MAX_ANSWER_BYTES = 1024 * 1024
# Servers close what is idle, many after 2 s, and an order that crosses with that is lost without a
# trace: it cannot be known whether it was read.
IDLE_SECONDS = 1.0
# More than a worker has under way at once; servers, and connections to one of them.
SERVERS, CONNECTIONS = 64, 256

Form = Mapping[str, str | int | Sequence[str]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Answer:
    """`body` is cut at MAX_ANSWER_BYTES."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def said(self) -> Mapping[str, Any]:
        """The JSON object that it is; empty where it is none."""
        return object_in(self.body) or {}


def object_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`; None where there is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def check_url(text: str) -> None:
    """Raises ValueError, with a sentence for the operator, for what is no server's address."""
    parts = urlsplit(text)
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise ValueError("Write it as https://voice.example.org/outdial, with nothing after it.")
    _ = parts.port  # raises ValueError too


def ask(
    method: str,
    url: str,
    *,
    data: Form | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> Answer:
    """What the server answers, whatever its status; it is asked once, and never redirected.

    `data` is a form or a body as it is, `auth` a name and password. It ends 10 s after it began,
    but for the time that a name takes to be resolved. Raises CarrierError where nothing left this
    machine, a permanent one where nothing ever can, and CarrierUncertain where no whole answer came
    back. Neither says more than the kind of failure.
    """
    _progress.begin()
    headers = {"User-Agent": f"Outdial/{VERSION}", **(headers or {})}
    try:
        request = requests.Request(method, url, headers=headers, data=data, auth=auth).prepare()
        with _sent(request) as raw:
            return Answer(status=raw.status, body=_read(raw))
    except (OSError, HTTPError, ValueError) as error:
        failure = _failure(error)
    raise failure  # out here, where no traceback leads to the other


@contextmanager
def _sent(request: requests.PreparedRequest) -> Iterator[Any]:
    """The answer's head, its body still to be read. Without a session there are no cookies,
    redirects, proxies or .netrc to turn off, and no object of requests' around the answer."""
    raw = _connections.connection_from_url(request.url or "").urlopen(
        request.method or "",
        request.path_url,
        body=request.body,
        headers=request.headers,
        redirect=False,
        assert_same_host=False,
        preload_content=False,
        decode_content=False,
        retries=False,
        timeout=TOTAL_SECONDS,
    )
    try:
        yield raw
    finally:
        raw.close()  # one that was read to its end has its connection no more
        raw.release_conn()


def _read(raw: Any) -> bytes:
    body = b""
    while len(body) < MAX_ANSWER_BYTES and (part := raw.read(MAX_ANSWER_BYTES - len(body))):
        body += part
    return body


def _failure(error: Exception) -> CarrierError | CarrierUncertain:
    name = _name(error)
    log.warning("carrier_exchange_failed", error=name, is_sent=_progress.is_sent)
    if _progress.is_sent:
        return CarrierUncertain(name)
    if isinstance(error, ValueError):
        # No such address can be, or no such header.
        return CarrierError(name, permanent=True, reason="carrier_not_configured")
    return CarrierError(name, permanent=False, reason="carrier_down")


def _name(error: BaseException) -> str:
    """Of what began it. Its text may hold what is secret."""
    while error.__context__:
        error = error.__context__
    return type(error).__name__


# Connections: any thread's in turn, so how far a request has come is the thread's -----------------


class _Progress(threading.local):
    """How far this thread's request has come."""

    ends = 0.0
    is_sent = False

    def begin(self) -> None:
        self.ends = time.monotonic() + TOTAL_SECONDS
        self.is_sent = False

    def seconds_left(self) -> float:
        """Raises TimeoutError where there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


_progress = _Progress()


class _Reader(io.RawIOBase):
    """What comes in while there is time, however it drips."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._socket = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_progress.seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response
    _answered_at = 0.0

    def _new_conn(self) -> socket.socket:
        """Its base has a timeout for each of the server's addresses, and none for all."""
        found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        failure = OSError()
        for family, kind, protocol, _, address in found:
            new = socket.socket(family, kind, protocol)
            try:
                _connect(new, address)
            except OSError as error:
                new.close()
                failure = error
            else:
                return new
        raise failure

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(_progress.seconds_left())
        _progress.is_sent = True
        super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._answered_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Asked before it is used again."""
        return super().is_connected and time.monotonic() < self._answered_at + IDLE_SECONDS


def _connect(new: socket.socket, address: Any) -> None:
    new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    new.settimeout(min(CONNECT_SECONDS, _progress.seconds_left()))
    new.connect(address)
    # Of a TLS handshake too, and of all of it: Python counts the steps of one together.
    new.settimeout(_progress.seconds_left())


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _servers() -> PoolManager:
    # The system's authorities, and those of SSL_CERT_FILE, beside those that requests brings.
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    manager = PoolManager(num_pools=SERVERS, maxsize=CONNECTIONS, ssl_context=context)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


_connections = _servers()
