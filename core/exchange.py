"""One POST and its answer over a pooled connection of aiohttp.

The pool, the dialling and the parser are aiohttp's. Its session, request and response are passed
by: they serve redirects, cookies, proxies and streams, which nobody wants here, and cost more than
the sending itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import aiohttp
import yarl
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from core.bounded_protocol import BoundedProtocol

KEPT_BYTES = 16 * 1024
SWITCHING_PROTOCOLS = 101
BREAKS = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Target:
    """What the connector wants to know of a URL, and how each request to it begins."""

    request: aiohttp.ClientRequest
    start: str


def target_of(url: yarl.URL) -> Target:
    """To be called in the event loop."""
    request = aiohttp.ClientRequest("POST", url)
    start = f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: {request.headers['Host']}\r\n"
    return Target(request=request, start=start)


def request_to(target: Target, *, headers: Mapping[str, str], body: bytes) -> bytes:
    """The whole request. Raises ValueError for a header that would smuggle in another."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if BREAKS.search("".join(lines)):
        raise ValueError("A header must not contain a line break")
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return (target.start + "\r\n".join(lines)).encode() + body


async def exchange(connection: Connection, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, first headers and first 16 KiB of the answer. The connection is used up: kept alive
    where both sides are through with the request, else closed."""
    try:
        protocol = cast(BoundedProtocol, connection.protocol)
        protocol.set_response_params(auto_decompress=False, read_until_eof=True)
        protocol.send(request)
        message, stream = await _final_answer(protocol)
        body = await _first_bytes(stream)
        if stream.at_eof() and protocol.has_sent_all():
            connection.release()
        return message.code, _first_headers(message.headers), body
    finally:
        connection.close()


async def _final_answer(protocol: BoundedProtocol) -> tuple[RawResponseMessage, StreamReader]:
    while True:
        message, stream = await protocol.read()
        if not 100 <= message.code < 200 or message.code == SWITCHING_PROTOCOLS:
            return message, stream


async def _first_bytes(stream: StreamReader) -> bytes:
    kept = b""
    while len(kept) <= KEPT_BYTES:
        chunk = await stream.read(KEPT_BYTES + 1 - len(kept))
        if not chunk:
            break
        kept += chunk
    return kept[:KEPT_BYTES]


def _first_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    room = KEPT_BYTES
    for name, value in headers.items():
        room -= len(name) + len(value)
        if room < 0:
            break
        # aiohttp hides bytes that are not UTF-8 in lone surrogates, which PostgreSQL refuses.
        kept[name] = (
            value
            if value.isascii()
            else value.encode(errors="surrogateescape").decode(errors="replace")
        )
    return kept
