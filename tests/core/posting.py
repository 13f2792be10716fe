"""Posts through the outbound client, and servers that say whatever a test has them say."""

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from core import http


def post(
    url: str,
    *,
    client: http.Client | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"{}",
) -> http.Answer:
    answers: queue.SimpleQueue[http.Answer] = queue.SimpleQueue()
    outgoing = http.Outgoing(
        url=url, headers={"X-A": "b"} if headers is None else headers, body=body
    )
    (client or http.client()).post(outgoing, answers.put)
    return answers.get(timeout=30)


@contextmanager
def speaking(
    speak: Callable[[socket.socket], None],
    *,
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
) -> Iterator[str]:
    """A server that says whatever `speak` says to each connection, once a request has come in."""
    listener = socket.create_server((address, 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=attend, args=(connection,), daemon=True).start()

    def attend(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if tls is not None:
                with tls.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65536)
                    speak(secured)
            else:
                connection.recv(65536)
                speak(connection)

    threading.Thread(target=serve, daemon=True).start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()


def at(host: str, url: str) -> str:
    """The same server, called by another name."""
    return url.replace("127.0.0.1", host)


def saying(*parts: bytes) -> Callable[[socket.socket], None]:
    """Says the parts one after the other, and closes."""

    def speak(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return speak


def answering(body: bytes = b"ok") -> Callable[[socket.socket], None]:
    """Answers every request on a connection."""

    def speak(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if not connection.recv(65536):
                return

    return speak
