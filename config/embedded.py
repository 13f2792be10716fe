"""The embedded default: web, worker and beat in one process, with no other service needed."""

import signal
import socket
import threading
import time
from collections.abc import Callable

import structlog
from celery.beat import Service
from celery.worker import WorkController, state
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from config.arriving import ARRIVAL_SECONDS, PunctualChannel
from config.celery import app, sweep
from config.memory import settle
from config.ticking import Scheduler
from config.wsgi import application
from core.drain import stop_drains

log = structlog.get_logger(__name__)

WEB_THREADS = 8
# Three drains, the sweep, and room for what is to come.
WORKER_THREADS = 6
MAX_BODY_BYTES = 4 * 1024 * 1024
# Who says nothing holds one, and no thread.
MAX_CONNECTIONS = 500
STOP_SECONDS = 20.0


def serve(listener: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` is called when only that is left to do.

    Stops in the order in which work arrives: first no new requests, then the worker finishes what
    it has begun. What it cannot finish in time stays in the rows for the next start.
    """
    app.loader.import_default_modules()
    settle()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = create_server(
        application,
        sockets=[listener],
        threads=WEB_THREADS,
        ident="",
        asyncore_use_poll=True,
        # Enough for the largest form of the admin; the API says no to far less, in its own words.
        max_request_body_size=MAX_BODY_BYTES,
        connection_limit=MAX_CONNECTIONS,
        channel_timeout=int(ARRIVAL_SECONDS),
        cleanup_interval=5,
        # Forwarded headers are for the one middleware that knows whom to believe.
        clear_untrusted_proxy_headers=False,
    )
    server.channel_class = PunctualChannel
    web = threading.Thread(target=server.run, name="web", daemon=True)
    worker = WorkController(
        app=app,
        pool_cls="threads",
        concurrency=WORKER_THREADS,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    working = threading.Thread(target=worker.start, name="worker", daemon=True)
    # It looks up once a second, so that it can be stopped.
    beat = Service(app, max_interval=1, scheduler_cls=Scheduler)
    ticking = threading.Thread(target=beat.start, name="beat", daemon=True)
    on_ready()
    for thread in (web, working, ticking):
        thread.start()
    # Celery tells only its own `worker` command that a worker is ready.
    sweep.delay()
    while not stopped.wait(1):
        if not (web.is_alive() and working.is_alive() and ticking.is_alive()):
            log.error("part_died", web=web.is_alive(), worker=working.is_alive())
            break
    _stop(server, working, beat)


def _stop(server: BaseWSGIServer, working: threading.Thread, beat: Service) -> None:
    ends = time.monotonic() + STOP_SECONDS
    # In the server's own thread: its loop must not find the socket closed under it.
    server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(server))
    while _is_answering(server) and time.monotonic() < ends:
        time.sleep(0.05)
    stop_drains()
    beat.stop(wait=False)
    state.should_stop = 0  # type: ignore[assignment] # the stubs know only the initial None
    working.join(max(ends - time.monotonic(), 1))
    log.info("stopped")


def _is_answering(server: BaseWSGIServer) -> bool:
    channels = list(server.active_channels.values())
    return any(channel.requests or channel.total_outbufs_len for channel in channels)
