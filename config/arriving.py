"""Requests as they arrive: a body is whole or refused; the embedded server waits for nobody long.

A form that was cut is a form all the same, with half a number in it, and servers and Django read
what there is.
"""

import time
from functools import cached_property
from io import IOBase
from typing import Any, BinaryIO, cast

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import QueryDict
from waitress.channel import HTTPChannel

from calls.callbacks import MAX_BODY_BYTES as CALLBACK_BYTES
from core.errors import LengthRequired
from core.middleware import MAX_BODY_BYTES as API_BYTES
from core.responses import is_api

BODILESS = ("GET", "HEAD", "OPTIONS")
# From the first byte of a request to its last.
ARRIVAL_SECONDS = 30.0


class WholeBody(IOBase):
    """As many bytes as Content-Length says; OSError where fewer come."""

    def __init__(self, stream: BinaryIO, *, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        parts = []
        while wanted:
            part = self._stream.read(wanted)
            if not part:
                raise ConnectionAbortedError("The body ended before its Content-Length")
            parts.append(part)
            wanted -= len(part)
            self._left -= len(part)
        return b"".join(parts)


class ChunkedBody(IOBase):
    """A body that does not say how long it is. Nobody but its reader can tell that it was cut.

    LengthRequired where the reader could not either, and RequestDataTooBig for more than `limit`
    bytes. It is read when it is asked for: who has no key is answered without it.
    """

    def __init__(self, stream: BinaryIO, *, limit: int, has_own_end: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._has_own_end = has_own_end
        self._read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._has_own_end:
            raise LengthRequired
        room = self._limit + 1 - self._read_bytes
        part = self._stream.read(room if size is None or size < 0 else min(size, room))
        self._read_bytes += len(part)
        if self._read_bytes > self._limit:
            raise RequestDataTooBig
        return part


class ArrivingRequest(WSGIRequest):
    """A request whose body raises Django's UnreadablePostError where it is not whole."""

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
        if length.isdigit():
            self._stream = cast(BinaryIO, WholeBody(stream, length=int(length)))
        elif self.method not in BODILESS and _is_chunked(environ):
            limit = API_BYTES if is_api(self) else CALLBACK_BYTES
            # JSON has an end of its own, and what carriers send is signed as a whole. Of forms only
            # browsers send others, and say how long they are.
            has_own_end = self.content_type == "application/json" or not is_api(self)
            body = ChunkedBody(stream, limit=limit, has_own_end=has_own_end)
            self._stream = cast(BinaryIO, body)
            # The most it can be: Django and DRF take a body without a length for empty.
            self.META["CONTENT_LENGTH"] = str(limit)

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override] # a plain attribute in the stubs
        """The query, in UTF-8.

        Django reads it in the character set that the body is said to be in, and some that Python
        knows are none of text, as hex: it fails then before anybody could answer.
        """
        return QueryDict(self.environ.get("QUERY_STRING", "").encode("latin-1"), encoding="utf-8")


def _is_chunked(environ: dict[str, Any]) -> bool:
    return "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()


class Handler(WSGIHandler):
    request_class = ArrivingRequest

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        answer = super().__call__(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return answer
        # waitress would send what it is given, and the client take it for the next answer.
        answer.close()
        return []


class PunctualChannel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """waitress's connection, which also ends where a request comes byte by byte for too long.

    waitress itself ends the silent ones.
    """

    _arriving: Any = None
    _since = 0.0

    def handle_read(self) -> None:
        super().handle_read()
        now = time.monotonic()
        if self.request is not self._arriving:
            self._arriving, self._since = self.request, now
        elif self.request and now - self._since > ARRIVAL_SECONDS:
            self.will_close = True
