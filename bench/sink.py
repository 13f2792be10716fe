"""A receiver for benchmarks: answers 200 at once, or hangs where the path says so."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from aiohttp import web

HANG_SECONDS = 20


def serve(pipe: Connection) -> None:
    """Serve on a free port until the parent ends this process; arrival times go to `pipe`."""
    arrivals: list[tuple[str, float]] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        if request.path.startswith("/hang"):
            await asyncio.sleep(HANG_SECONDS)
        arrivals.append((request.path, time.time()))
        return web.Response()

    async def report(request: web.Request) -> web.Response:
        pipe.send(list(arrivals))
        arrivals.clear()
        return web.Response()

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/report", report)
        app.router.add_post("/{path:.*}", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def receiving() -> Iterator[tuple[str, Connection]]:
    """The receiver's base URL, and the pipe on which it reports after a GET of /report."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}", ours
    finally:
        process.kill()
        process.join()
