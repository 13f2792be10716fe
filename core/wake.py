"""Wake-ups: a hint to a worker that rows are due. Rows are the truth; a lost hint costs seconds.

One debounced Celery message per drain: while a hint waits for its worker, further ones are not
sent. A drain forgets the debounce key before it looks at the rows, so what is committed after its
look sends a new hint. A thread sends them, so that no request waits for a broker that hangs.
"""

import queue
import threading
import time
from contextlib import suppress
from functools import cache as once

import structlog
from celery import current_app
from django.core.cache import cache

log = structlog.get_logger(__name__)

DEBOUNCE_SECONDS = 2
MESSAGE_EXPIRES_SECONDS = 30
# A thousand requests a second would ask whether a hint waits already as often.
GATHER_SECONDS = 0.02
# After a failure, leave the broker alone for so long; what piled up meanwhile is for the sweep.
BROKEN_PAUSE_SECONDS = 1.0

_wanted: "queue.SimpleQueue[str]" = queue.SimpleQueue()
_broken_until = 0.0


def wake(drain: str) -> None:
    """Ask a worker to run the task `drain` soon. Never raises, never waits: the sweep finds what is
    missed."""
    _messenger()
    _wanted.put(drain)


def forget_wake(drain: str) -> None:
    """Let the next `wake` send a message again."""
    try:
        cache.delete(_key(drain))
    except Exception as error:
        # The key expires by itself.
        log.warning("wake_not_forgotten", drain=drain, error=type(error).__name__)


@once
def _messenger() -> threading.Thread:
    """The thread that sends this process's wake-ups."""
    thread = threading.Thread(target=_send_all, name="wake", daemon=True)
    thread.start()
    return thread


def _send_all() -> None:
    while True:
        drains = {_wanted.get()}
        # Of a thousand events that were published at once, one hint tells as much.
        with suppress(queue.Empty):
            while True:
                drains.add(_wanted.get_nowait())
        for drain in drains:
            _send(drain)
        # What is wanted meanwhile is one hint too, and asks Redis once.
        time.sleep(GATHER_SECONDS)


def _send(drain: str) -> None:
    global _broken_until
    if time.monotonic() < _broken_until or not _take_debounce(drain):
        return
    try:
        current_app.send_task(drain, expires=MESSAGE_EXPIRES_SECONDS, retry=False)
    except Exception as error:
        # Whichever way the broker broke, the rows wait for the sweep.
        _broken_until = time.monotonic() + BROKEN_PAUSE_SECONDS
        log.warning("wake_failed", drain=drain, error=type(error).__name__)


def _take_debounce(drain: str) -> bool:
    try:
        return cache.add(_key(drain), 1, DEBOUNCE_SECONDS)
    except Exception:
        # Without a cache each wake sends a message: more work, never less.
        return True


def _key(drain: str) -> str:
    return f"wake:{drain}"
