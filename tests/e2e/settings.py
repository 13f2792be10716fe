"""The product's settings and a carrier that counts; for the processes under test."""

import os

from config.settings import *  # noqa: F403
from config.settings import CARRIERS

CARRIERS["recording"] = "tests.e2e.recording_carrier.RecordingCarrier"
# A queue of its own, where a broker is shared.
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("QUEUE", "celery")
