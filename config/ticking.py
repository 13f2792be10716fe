"""Beat's scheduler: Celery's own, in memory, which also says that it is alive."""

from typing import Any

from celery.beat import ScheduleEntry
from celery.beat import Scheduler as CeleryScheduler

from core import heartbeat


class Scheduler(CeleryScheduler):
    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        # By itself and not through a worker: who looks can tell which of the two is missing.
        if entry.name == "sweep":
            heartbeat.beat(heartbeat.BEAT)
        super().apply_entry(entry, producer)
