"""Of several beats one leads: it holds a lock in the database, and only it sends.

The lock lives as long as the session that took it. A leader that dies loses both, and one of the
others, which ask every second, leads from then on. config/connections.py sees to it that a session
does not outlive its host.
"""

import os
import socket
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from config.ticking import Scheduler

log = structlog.get_logger(__name__)

# Advisory locks are known by a number alone: this one is the leading beat's.
LOCK = 7_362_826
AGAIN_SECONDS = 1.0
LEADS, WAITS = "beat_leads", "beat_waits"
LOST, CUT_OFF = "beat_lost_the_lead", "beat_cannot_ask_who_leads"


class LeadingScheduler(Scheduler):
    """Beat's scheduler, while it leads."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lead = Lead()

    def tick(self, *args: Any, **options: Any) -> float:
        # One tick sends at most one message, so whoever has lost the lead sends none.
        if not self._lead.is_ours():
            return AGAIN_SECONDS
        return float(super().tick(*args, **options))

    def close(self) -> None:
        super().close()
        self._lead.give_up()


class Lead:
    """The lock, as seen from one process."""

    def __init__(self) -> None:
        self._session = _session_of_its_own()
        self._state = ""

    def is_ours(self) -> bool:
        """Whether this process leads, which it does from the moment that nobody else does."""
        try:
            # That the session answers is proof: it has the lock until its end.
            is_ours = bool(self._ask("SELECT 1" if self._state == LEADS else TAKE))
            self._enter(LEADS if is_ours else WAITS)
        except (OperationalError, InterfaceError) as error:
            self._session.close()
            self._lose(error)
            return False
        return is_ours

    def give_up(self) -> None:
        self._session.close()

    def _enter(self, state: str) -> None:
        if state != self._state:
            log.info(state, leader=self._ask(LEADER))
            self._state = state

    def _lose(self, error: Exception) -> None:
        state = LOST if self._state in (LEADS, LOST) else CUT_OFF
        if state != self._state:
            log.warning(state, error=type(error).__name__)
            self._state = state

    def _ask(self, query: str) -> Any:
        with self._session.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return row and row[0]


def _session_of_its_own() -> BaseDatabaseWrapper:
    """A connection that nothing else uses or closes, and whose name tells whose it is."""
    session = connection.copy()
    name = f"outdial-beat {socket.gethostname()[:40]} {os.getpid()}"
    session.settings_dict["OPTIONS"]["application_name"] = name
    return session


TAKE = f"SELECT pg_try_advisory_lock({LOCK})"
LEADER = f"""
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND database = datid AND granted
  AND locktype = 'advisory' AND classid = 0 AND objid = {LOCK} AND objsubid = 1
"""  # noqa: S608 - a number of ours
