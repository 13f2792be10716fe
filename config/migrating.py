"""Migrations, run by one process at a time however many start at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection

# Any number, as long as nothing else in the database locks the same one.
LOCK = 7_362_825


def migrate() -> None:
    """Bring the database up to date, or wait for the process that is doing it."""
    with _lock():
        call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def _lock() -> Iterator[None]:
    if not settings.IS_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        return
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.VAR_DIR / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
