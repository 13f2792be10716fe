"""Requests to a carrier that know whether they went out, and that end in time.

Whether an order may be given again depends on one thing: whether a byte of it reached the network.
So the connection itself tells, rather than the many names that a failure may have.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0

Form = Mapping[str, str | int | Sequence[str]]


class NotSent(Exception):
    """Nothing of the request left this machine."""


class AnswerLost(Exception):
    """The request went out, at least in part, and no whole answer came back."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any  # what its JSON says; None where it is none


def ask(method: str, url: str, *, auth: tuple[str, str], form: Form | None = None) -> Answer:
    """One request, never repeated, never redirected; connections are kept, one thread's its own.

    It ends 10 s after it began. Where names and addresses alone took that long, nothing is sent.
    Raises NotSent, AnswerLost.
    """
    _line.begin()
    cut = threading.Timer(TOTAL_SECONDS, _line.cutter())
    cut.daemon = True
    cut.start()
    try:
        response = _line.session.request(
            method,
            url,
            data=form,
            auth=auth,
            timeout=(CONNECT_SECONDS, TOTAL_SECONDS),
            allow_redirects=False,
        )
    except (requests.RequestException, OSError, ValueError) as error:
        failure = AnswerLost if _line.is_sent else NotSent
        raise failure(type(error).__name__) from None
    finally:
        cut.cancel()
    if time.monotonic() >= _line.ends:
        raise AnswerLost("Too late")  # a head that was cut reads like a whole one
    return Answer(status=response.status_code, body=_json(response))


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


class _Line(threading.local):
    """This thread's session, and how far its request has come."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Adapter(max_retries=0))
        self.begin()

    def begin(self) -> None:
        self.is_sent = False
        self.ends = time.monotonic() + TOTAL_SECONDS
        self._sockets: list[socket.socket] = []

    def go_out(self, through: socket.socket) -> None:
        """The next byte is about to leave. Raises TimeoutError when it is too late for that."""
        self._sockets.append(through)
        if time.monotonic() >= self.ends:
            raise TimeoutError
        self.is_sent = True

    def cutter(self) -> Callable[[], None]:
        """What ends the request from another thread, wherever it is stuck."""
        sockets = self._sockets

        def cut() -> None:
            for one in sockets:
                with suppress(OSError):  # it has ended by itself
                    # Not TLS's own, which forgets its state under the thread that reads.
                    socket.socket.shutdown(one, socket.SHUT_RDWR)

        return cut


class _Telling(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _line.go_out(self.sock)
        super().send(data)


class _TellingTLS(_Telling, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Telling


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _TellingTLS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}


_line = _Line()
