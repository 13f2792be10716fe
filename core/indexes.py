"""What migrations of large tables need."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class AddIndexBesideWriters(AddIndexConcurrently):
    """An index that is made while others write; its migration says `atomic = False`.

    Making one the usual way, PostgreSQL lets nobody write meanwhile, and every call's end does.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        name = schema_editor.quote_name(self.index.name)
        with _patience(schema_editor):
            # Whoever was killed here left one behind, on PostgreSQL one that nobody uses.
            schema_editor.execute(f"DROP INDEX {_concurrently(schema_editor)} IF EXISTS {name}")
            _maker(schema_editor).database_forwards(self, app_label, schema_editor, *states)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        with _patience(schema_editor):
            _maker(schema_editor).database_backwards(self, app_label, schema_editor, *states)


def _is_postgresql(schema_editor: Any) -> bool:
    return bool(schema_editor.connection.vendor == "postgresql")


def _concurrently(schema_editor: Any) -> str:
    return "CONCURRENTLY" if _is_postgresql(schema_editor) else ""


def _maker(schema_editor: Any) -> type[migrations.AddIndex]:
    return AddIndexConcurrently if _is_postgresql(schema_editor) else migrations.AddIndex


@contextmanager
def _patience(schema_editor: Any) -> Iterator[None]:
    """No `lock_timeout`: it waits for the end of every transaction, and keeps nobody waiting."""
    if not _is_postgresql(schema_editor):
        yield
        return
    keep = "SELECT set_config('outdial.lock_timeout', current_setting('lock_timeout'), false)"
    schema_editor.execute(keep)
    schema_editor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        back = "SELECT set_config('lock_timeout', current_setting('outdial.lock_timeout'), false)"
        schema_editor.execute(back)
