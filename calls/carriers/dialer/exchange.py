"""One HTTP exchange with a carrier's server: kept alive, never redirected, never long.

The answer as a whole is bounded in time, because `requests` on its own only bounds the silence
between two bytes of it.
"""

import http.client
import io
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Any

import requests
import structlog
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError, NewConnectionError

from calls.carriers.base import CarrierUncertain
from core.version import VERSION

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
# A snapshot may carry the transcript of an hour.
MAX_ANSWER_BYTES = 1024 * 1024
# As many as a worker asks at once.
CONNECTIONS = 32

log = structlog.get_logger(__name__)


class NotConnected(CarrierUncertain):
    """Proof that nothing was sent. `is_permanent` where there can be no such address."""

    def __init__(self, message: str, *, is_permanent: bool) -> None:
        super().__init__(message)
        self.is_permanent = is_permanent


@dataclass(frozen=True)
class Answer:
    """`body` is cut at MAX_ANSWER_BYTES."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Exchange:
    """Connections to carriers' servers, shared by threads and accounts: no cookie is kept."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _BoundedAdapter(pool_maxsize=CONNECTIONS))

    def ask(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str]
    ) -> Answer:
        """What the server answers, whatever its status. Raises CarrierUncertain, and NotConnected
        where that is certain."""
        try:
            with self._session.request(
                method,
                url,
                data=body or None,
                headers={"User-Agent": f"Outdial/{VERSION}", "Accept-Encoding": "identity"}
                | dict(headers),
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                content: bytes = response.raw.read(MAX_ANSWER_BYTES)
                return Answer(status=response.status_code, body=content)
        except (requests.exceptions.InvalidURL, LocationParseError) as error:
            raise NotConnected(str(error), is_permanent=True) from None
        except Exception as error:
            log.warning("carrier_exchange_failed", method=method, error=_named(error))
            if _is_unconnected(error):
                raise NotConnected(_named(error), is_permanent=False) from None
            raise CarrierUncertain(_named(error)) from None


def _is_unconnected(error: Exception) -> bool:
    """Whether it is certain that no request went out."""
    cause = _cause(error)
    is_untrusted = bool(cause.args) and isinstance(cause.args[0], ssl.SSLCertVerificationError)
    is_too_late = isinstance(error, requests.exceptions.ConnectTimeout)
    return isinstance(cause, NewConnectionError) or is_untrusted or is_too_late


def _named(error: Exception) -> str:
    return type(_cause(error)).__name__


def _cause(error: Exception) -> Exception:
    """What urllib3 raised, where requests has wrapped it."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return reason if isinstance(reason, Exception) else error


class _BoundedReader(io.RawIOBase):
    """A socket's bytes until a moment, however they drip."""

    def __init__(self, raw: Any, sock: socket) -> None:
        self._raw, self._socket = raw, sock
        self._until = time.monotonic() + (sock.gettimeout() or ANSWER_SECONDS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer took too long")
        self._socket.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock))


class _HttpConnection(HTTPConnection):
    response_class = _BoundedResponse


class _HttpsConnection(HTTPSConnection):
    response_class = _BoundedResponse


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class _BoundedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # The system's authorities, and those of SSL_CERT_FILE, beside those that requests brings.
        super().init_poolmanager(*args, ssl_context=ssl.create_default_context(), **kwargs)
        pools = {"http": _HttpPool, "https": _HttpsPool}
        self.poolmanager.pool_classes_by_scheme = pools
