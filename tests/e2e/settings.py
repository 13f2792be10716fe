"""The product's settings and a carrier that counts; for the processes under test."""

import os
from typing import Any

from celery.signals import task_prerun

from config.settings import *  # noqa: F403
from config.settings import CARRIERS

CARRIERS["recording"] = "tests.e2e.recording_carrier.RecordingCarrier"
# A queue of its own, where a broker is shared.
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("QUEUE", "celery")


@task_prerun.connect
def note_sweep(task: Any, **_: Any) -> None:
    """Write down, in the order in which they began, which process asked for each sweep."""
    if task.name == "sweep" and os.environ.get("SWEEPS"):
        with open(os.environ["SWEEPS"], "a") as file:
            file.write(f"{task.request.origin}\n")
