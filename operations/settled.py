"""Up to which id a table that is only appended to is complete.

PostgreSQL hands out ids before their rows are committed, so rows below the highest one may still
appear. Who inserts holds a lock on the table until its transaction ends, and took it before its
ids: once those that held one after we saw the highest id are gone, nothing can appear below it.
"""

import time

from django.db import connection, models
from django.db.models import Max

from core.rows import is_postgresql

WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.02

WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
  AND relation = %s::regclass AND pid IS DISTINCT FROM pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def settled_id(model: type[models.Model]) -> int | None:
    """The highest id at or below which every row is there, or never will be.

    None where a transaction that may add one does not end within two seconds. To be asked outside
    of a transaction that sees an older state.
    """
    highest = model._default_manager.aggregate(id=Max("pk"))["id"] or 0
    if not is_postgresql():
        return int(highest)  # one writes at a time, so ids are committed in their order
    waited_for, ends = _writers(model), time.monotonic() + WAIT_SECONDS
    while waited_for and waited_for & _writers(model):
        if time.monotonic() > ends:
            return None
        time.sleep(LOOK_SECONDS)
    return int(highest)


def _writers(model: type[models.Model]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(WRITERS, [model._meta.db_table])
        return {row[0] for row in cursor.fetchall()}
