"""The production shape: web, worker and beat as separate processes on PostgreSQL and Redis."""

from importlib import import_module
from uuid import uuid4

from celery import current_app
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from config.leading import AGAIN_SECONDS
from config.listening import listen
from config.memory import settle
from config.migrating import wait_until_migrated

# Of a process that keeps to a core: 6 accept a tenth fewer calls a second, 16 no more.
BLOCKING_THREADS = 12
WORKER_THREADS = 8
GRACE_SECONDS = 20


def serve_web() -> None:
    """Answer requests until SIGTERM; what has been accepted is answered first."""
    _require_services()
    # Granian takes it itself, and has a traceback and a stack for an address that is taken.
    listen().close()
    # Its workers are forked, and share what is there before.
    import_module("config.wsgi")
    settle()
    Granian(
        "config.web:application",
        address=settings.HOST.strip("[]"),
        port=settings.PORT,
        interface=Interfaces.WSGI,
        # Its time limit for headers, 30 s, holds for this version of HTTP.
        http=HTTPModes.http1,
        workers=settings.WEB_WORKERS,
        blocking_threads=BLOCKING_THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        websockets=False,
        log_dictconfig=settings.LOGGING,
    ).serve()


def run_worker() -> None:
    """Dial and deliver until SIGTERM; what is in flight is finished or left to its lease."""
    _require_services()
    wait_until_migrated()
    current_app.loader.import_default_modules()
    settle()
    current_app.worker_main(
        [
            "worker",
            # A name of its own: RabbitMQ lets no second worker in under the same one.
            f"--hostname=outdial-{uuid4().hex[:8]}@%h",
            "--pool=threads",
            f"--concurrency={WORKER_THREADS}",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=WARNING",
        ]
    )


def run_beat() -> None:
    """Tick until SIGTERM, as the only one of all beats that leads, or wait for one's turn.

    The schedule lives in memory: it says nothing that must be kept.
    """
    _require_services()
    current_app.start(
        [
            "beat",
            "--scheduler=config.leading:LeadingScheduler",
            f"--max-interval={AGAIN_SECONDS:g}",
            "--loglevel=WARNING",
        ]
    )


def _require_services() -> None:
    if not settings.CAN_RUN_APART:
        raise ImproperlyConfigured(
            "web, worker and beat run apart only with DATABASE_URL=postgres://... and "
            "REDIS_URL=redis://...; `make run` serves all three in one process"
        )
