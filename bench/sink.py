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
    """Serve on a free port, told through `pipe`, until the parent ends this process.

    GET /report answers what arrived since the last one: paths and Unix times.
    """
    arrivals: list[tuple[str, float]] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        if request.path.startswith("/hang"):
            await asyncio.sleep(HANG_SECONDS)
        arrivals.append((request.path, time.time()))
        return web.Response()

    async def report(request: web.Request) -> web.Response:
        told = list(arrivals)
        arrivals.clear()
        return web.json_response(told)

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
def receiving() -> Iterator[str]:
    """The receiver's base URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
