"""The outbound client for webhooks: the only way out to addresses that a stranger chose.

The guard sits where the socket is made, on the address really dialled, so neither a name that
changes its address nor any spelling of an address gets past it. Every limit is total: a server
that drips cannot stretch it, one that floods is cut off.
"""

import asyncio
import atexit
import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial

import aiohttp
import yarl
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from django.conf import settings

from core.bounded_protocol import BoundedProtocol
from core.errors import InvalidUrl
from core.exchange import Target, exchange, request_to, target_of
from core.targets import check_url, is_allowed, is_named

CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
MAX_CONNECTIONS = 512
# Shorter than the 5 s after which Node closes an idle connection: a post that crosses the closing
# cannot be told from one that was lost, and counts as failed.
IDLE_SECONDS = 4
# Lookups side by side, so that names which never resolve hold up no others.
LOOKUPS = 128


@dataclass(frozen=True)
class Outgoing:
    """One POST: `body` is sent byte for byte.

    `is_operators` says that the URL comes from this server's own environment: no address is refused
    then. Every other limit holds.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    is_operators: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back. `failure` is a stable name, empty when the status is 2xx.

    `body` is the first 16 KiB, `headers` the first of those that fit into as much, `duration`
    seconds in all, `address` the one really connected to.
    """

    failure: str
    duration: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str | None = None


Done = Callable[[Answer], None]


class AddressRefused(OSError):
    """The address is not public and not in WEBHOOK_ALLOWED_TARGETS."""


@dataclass
class _Route:
    """The address that the request under way uses."""

    address: str | None = None
    refused: bool = False


_route: ContextVar[_Route] = ContextVar("route")


class Client:
    """Posts from an event loop in a thread of its own; connections are kept alive between posts."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="http", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        atexit.register(self.close)

    def post(self, outgoing: Outgoing, done: Done) -> None:
        """Send it; `done` is called once, from the loop's thread, whatever happens."""
        self.post_all([(outgoing, done)])

    def post_all(self, posts: Iterable[tuple[Outgoing, Done]]) -> None:
        """Send them side by side: the loop is woken once."""
        self._loop.call_soon_threadsafe(self._start_all, list(posts))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5)

    def _start_all(self, posts: Sequence[tuple[Outgoing, Done]]) -> None:
        for outgoing, done in posts:
            self._loop.create_task(self._run(outgoing, done))

    async def _open(self) -> None:
        self._loop.set_default_executor(ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup"))
        self._guarded = _connector(_guarded_socket)
        # Hosts that the operator named are trusted wherever their name points.
        self._named = _connector(_noted_socket)
        self._timeout = aiohttp.ClientTimeout(
            # aiohttp rounds what is above its threshold up to a whole second.
            connect=CONNECT_SECONDS,
            ceil_threshold=math.inf,
        )
        # A thousand posts a second to one endpoint ask once.
        self._target = lru_cache(maxsize=4096)(self._check)

    async def _close(self) -> None:
        await self._guarded.close()
        await self._named.close()

    async def _run(self, outgoing: Outgoing, done: Done) -> None:
        done(await self._post(outgoing))

    async def _post(self, outgoing: Outgoing) -> Answer:
        route = _Route()
        _route.set(route)
        began = time.monotonic()
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                status, headers, body = await self._exchange(outgoing)
        except Exception as error:
            return Answer(
                failure="address_refused" if route.refused else name_of_failure(error),
                duration=time.monotonic() - began,
                address=route.address,
            )
        return Answer(
            failure=_name_of_status(status),
            duration=time.monotonic() - began,
            status=status,
            headers=headers,
            body=body,
            address=route.address,
        )

    async def _exchange(self, outgoing: Outgoing) -> tuple[int, dict[str, str], bytes]:
        connector, target = self._target(
            outgoing.url, tuple(settings.WEBHOOK_ALLOWED_TARGETS), outgoing.is_operators
        )
        request = request_to(target, headers=outgoing.headers, body=outgoing.body)
        try:
            connection = await connector.connect(target.request, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("Not connected in time") from error
        _note_peer(connection)
        return await exchange(connection, request)

    def _check(
        self, url: str, allowed: tuple[str, ...], is_operators: bool
    ) -> tuple[aiohttp.TCPConnector, Target]:
        """Through which pool the URL is reached. `allowed` is what the answer depends on."""
        if is_operators:
            return self._named, target_of(yarl.URL(url))
        checked = check_url(url)
        is_named_host = is_named(checked.host or "")
        return (self._named if is_named_host else self._guarded), target_of(checked)


@cache
def client() -> Client:
    """This process's client."""
    return Client()


def name_of_failure(error: BaseException) -> str:
    """The stable name under which a failed attempt is stored and explained."""
    # aiohttp wraps what the socket or TLS layer raised; the cause says more than the wrapper.
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns_lookup_failed"
    chain = _causes(error)
    for kind, name in _FAILURES:
        if any(isinstance(one, kind) for one in chain):
            return name
    return "request_failed"


_FAILURES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (InvalidUrl, "url_refused"),
    (AddressRefused, "address_refused"),
    ((aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError), "tls_failed"),
    (aiohttp.ConnectionTimeoutError, "connection_timeout"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "connection_refused"),
    (aiohttp.ClientConnectorError, "connection_failed"),
    ((aiohttp.ServerDisconnectedError, ConnectionError), "connection_closed"),
    ((aiohttp.ClientError, HttpProcessingError), "response_broken"),
)


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or getattr(following, "os_error", None)
    return chain


def _name_of_status(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return "redirect_refused" if 300 <= status < 400 else "http_error"


def _connector(
    socket_factory: Callable[[aiohttp.AddrInfoType], socket.socket],
) -> aiohttp.TCPConnector:
    connector = aiohttp.TCPConnector(
        limit=MAX_CONNECTIONS,
        socket_factory=socket_factory,
        ssl=_tls(),
        keepalive_timeout=IDLE_SECONDS,
        ttl_dns_cache=30,
    )
    # aiohttp offers no other way to see what arrives before an answer, or after it.
    connector._factory = partial(BoundedProtocol, loop=asyncio.get_running_loop())  # type: ignore[assignment]
    return connector


def _tls() -> ssl.SSLContext:
    """Certificates are checked against the host name, and against the system's authorities or
    those that OpenSSL finds through SSL_CERT_FILE and SSL_CERT_DIR."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _guarded_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    address = ipaddress.ip_address(str(info[4][0]).split("%")[0])
    if not is_allowed(address):
        # Where a name has several addresses, the connector may hide this error behind another's.
        _route.get(_Route()).refused = True
        raise AddressRefused(f"{address} is not public")
    return _noted_socket(info)


def _noted_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    _note(str(info[4][0]))
    return socket.socket(info[0], info[1], info[2])


def _note_peer(connection: Connection) -> None:
    """The address of a connection that was kept alive from an earlier request."""
    peer = connection.transport and connection.transport.get_extra_info("peername")
    if peer:
        _note(str(peer[0]))


def _note(address: str) -> None:
    _route.get(_Route()).address = address
