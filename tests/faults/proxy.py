"""A wire between the product and what it talks to, which can be cut, held, and made to lose."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tests.e2e.product import free_port


class Proxy:
    """Passes bytes from its own port on loopback to `target`'s, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.port, self.target = free_port(), target
        self.ends: set[_End] = set()
        self.holds = self.swallows = False
        self.loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._do(self._listen)

    def cut(self) -> None:
        """End every connection there is, in the middle of whatever it carries."""
        self._do(self._cut)

    def stall(self) -> None:
        """Pass nothing on, though connections are made and kept."""
        self._do(self._hold, True)

    def swallow(self) -> None:
        """Pass on what is asked, and cut instead of the answer."""
        self.swallows = True

    def refuse(self) -> None:
        """Cut, and let nobody connect."""
        self._do(self._close)
        self.cut()

    def heal(self) -> None:
        """Be a wire again. What was held is passed on now."""
        self.swallows = False
        self._do(self._hold, False)
        self._do(self._listen)

    def stop(self) -> None:
        self.refuse()
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _do(self, what: Callable[..., Any], *arguments: object) -> None:
        asyncio.run_coroutine_threadsafe(what(*arguments), self.loop).result(timeout=60)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await self.loop.create_server(
                lambda: _End(self), "127.0.0.1", self.port, backlog=512
            )

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for end in list(self.ends):
            # A reset: who waits for an answer hears at once that there will be none.
            end.transport.abort()

    async def _hold(self, holds: bool) -> None:
        self.holds = holds
        for end in self.ends:
            end.hold(holds)


class _End(asyncio.Protocol):
    """One end of a connection: of the product's, or, where it has a `peer`, of its own to the
    target."""

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, peer: "_End | None" = None) -> None:
        self._proxy, self._peer, self._is_answering = proxy, peer, peer is not None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._proxy.ends.add(self)
        self.hold(self._proxy.holds)
        if self._peer is None:
            self._task = self._proxy.loop.create_task(self._reach())
        else:
            self._peer.meet(self)

    def meet(self, peer: "_End") -> None:
        """What was said before there was anybody to hear it is passed on."""
        self._peer = peer
        if self.transport.is_closing():
            peer.transport.abort()
        peer.transport.writelines(self._early)

    def data_received(self, data: bytes) -> None:
        if self._is_answering and self._proxy.swallows:
            self.transport.abort()
        elif self._peer is None:
            self._early.append(data)
        else:
            self._peer.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.ends.discard(self)
        if self._peer is not None:
            # What is still on its way arrives, unless it was cut off.
            self._peer.transport.abort() if error else self._peer.transport.close()

    def hold(self, holds: bool) -> None:
        if self.transport.is_closing():
            return
        self.transport.pause_reading() if holds else self.transport.resume_reading()

    async def _reach(self) -> None:
        loop, target = self._proxy.loop, self._proxy.target
        try:
            await loop.create_connection(lambda: _End(self._proxy, self), "127.0.0.1", target)
        except OSError:
            self.transport.abort()
