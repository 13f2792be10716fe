"""Celery: the broker wakes workers, the rows say what there is to do."""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("outdial")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    # One message, so that a week without workers leaves a queue that is read in seconds.
    "sweep": {"task": "sweep", "schedule": 5.0, "options": {"expires": 5.0}},
    "mend": {"task": "webhooks.mend", "schedule": 60.0, "options": {"expires": 60.0}},
    "roll_up": {"task": "operations.roll_up", "schedule": 10.0, "options": {"expires": 10.0}},
    "alert": {"task": "operations.alert", "schedule": 60.0, "options": {"expires": 60.0}},
    "prune": {"task": "prune", "schedule": 3600.0, "options": {"expires": 600.0}},
}

log = structlog.get_logger(__name__)

DRAINS = ("calls.dial", "sms.send", "webhooks.deliver")


@app.task(name="sweep")
def sweep() -> None:
    """Say that a worker is alive, and have the drains look for what no wake-up told of."""
    from core.heartbeat import beat
    from core.wake import wake

    beat()
    for drain in DRAINS:
        wake(drain)


@app.task(name="prune")
def prune() -> None:
    from django.utils import timezone

    from calls.idempotency import forget_idempotency_keys
    from operations.incidents import forget_incidents
    from operations.pruning import forget_old_figures
    from operations.retention import prune_history

    forgetting: list[Callable[..., object]] = [
        forget_idempotency_keys,
        forget_old_figures,
        forget_incidents,
        _forget_sessions,
        prune_history,
    ]
    for forget in forgetting:
        try:
            forget(now=timezone.now())
        except Exception:
            # It would fail again in an hour: the others must not grow for ever because of it.
            log.exception("not_pruned", step=forget.__name__)


def _forget_sessions(*, now: datetime) -> None:
    from django.contrib.sessions.models import Session

    Session.objects.filter(expire_date__lt=now).delete()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Connected, so Celery leaves the logging of settings.py alone."""


@worker_ready.connect
def look_at_once(**_: Any) -> None:
    """What an earlier worker left behind, or a broker forgot, is found at the start."""
    sweep.delay()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    from core.drain import stop_drains

    stop_drains()
