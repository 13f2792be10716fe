"""What one connection of the outbound client may cost."""

import asyncio
import select
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

# Interim answers (103 Early Hints and the like) and the final one.
MAX_ANSWERS = 16
PIECE_BYTES = 4 * 1024


class BoundedProtocol(ResponseHandler):
    """Cuts off a server that floods, and notices one that closed, sooner than aiohttp does.

    aiohttp queues answers without end, those to no request included, and parses all that has
    arrived before it lets other connections go on.
    """

    _answers = 0

    def set_response_params(self, **params: Any) -> None:
        self._answers = 0
        super().set_response_params(**params)

    def send(self, request: bytes) -> None:
        if self.transport is None:
            raise aiohttp.ClientConnectionResetError("Connection lost")
        self.transport.write(request)

    def has_sent_all(self) -> bool:
        """Whether the request is on its way to the last byte; it need not be to be answered."""
        return self.transport is not None and not self.transport.get_write_buffer_size()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data) or 1, PIECE_BYTES):
            super().data_received(data[start : start + PIECE_BYTES])
            if self.exception() is not None:
                break
        else:
            return
        # aiohttp tells whoever waits for an answer, but not who reads its body.
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("The answer is broken"))

    def feed_data(self, data: Any, size: int = 0) -> None:
        self._answers += 1
        if self._answers <= MAX_ANSWERS:
            super().feed_data(data, size)
            return
        self.set_exception(aiohttp.ClientPayloadError("Too many answers"))
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        # A goodbye in TLS waits half a minute for the server's.
        self.abort()

    def is_connected(self) -> bool:
        """Whether it can carry another request: the server has neither closed it nor spoken."""
        return super().is_connected() and not self.should_close and not _has_news(self.transport)


def _has_news(transport: asyncio.Transport | None) -> bool:
    """Whether something has arrived that the loop has not read yet."""
    if transport is None:
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))
