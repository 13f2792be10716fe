"""Migrations, run by one process at a time however many start at once."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg.errors import LockNotAvailable

log = structlog.get_logger(__name__)

# Any number, as long as nothing else in the database locks the same one.
LOCK = 7_362_825
AGAIN_SECONDS = 0.2
# Less than PostgreSQL's deadlock_timeout, or a migration could have others' transactions killed.
LOCK_MILLISECONDS = 400
# Between two tries, so that others wait for a tenth of the time.
LET_PASS_SECONDS = 4


def migrate() -> None:
    """Bring the database up to date, or wait for the process that is doing it.

    What cannot have its table soon lets those behind it pass, and tries again.
    """
    with _lock():
        while not _try_to_migrate():
            log.warning("migration_waits_for_table")
            time.sleep(LET_PASS_SECONDS)


def _try_to_migrate() -> bool:
    """False where somebody holds a table: a backup, or a transaction that somebody forgot."""
    try:
        with _impatience():
            call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        return False
    return True


@contextmanager
def _impatience() -> Iterator[None]:
    """While it lasts, this connection waits for no lock for longer than LOCK_MILLISECONDS.

    Who waits to change a table keeps everybody waiting who comes later, readers too.
    """
    if settings.IS_SQLITE:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
        try:
            yield
        finally:
            cursor.execute("RESET lock_timeout")


def wait_until_migrated() -> None:
    """Until the database is as this version needs it: `web` brings it up to date."""
    has_waited = False
    while not _is_migrated():
        if not has_waited:
            log.warning("waits_for_migrations")
        has_waited = True
        time.sleep(1)


def _is_migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError as error:
        log.warning("database_does_not_answer", error=str(error).partition("\n")[0])
        connection.close()
        return False


@contextmanager
def _lock() -> Iterator[None]:
    if not settings.IS_SQLITE:
        _require_answer()
        with connection.cursor() as cursor:
            _wait_for_turn(cursor)
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        return
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.VAR_DIR / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_answer() -> None:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        reason = str(error).partition("\n")[0]
        raise ImproperlyConfigured(f"The database does not answer: {reason}") from None


def _wait_for_turn(cursor: CursorWrapper) -> None:
    """Ask again and again: a statement that waits has a snapshot, and an index that is made beside
    writers waits for the end of every snapshot."""
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone() == (True,):
            return
        time.sleep(AGAIN_SECONDS)
