"""What migrations of large tables need."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class AddIndexBesideWriters(AddIndexConcurrently):
    """An index that is made while others write; its migration says `atomic = False`.

    Making one the usual way, PostgreSQL lets nobody write meanwhile, and every call's end does.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        base = _maker(schema_editor)
        base.database_forwards(self, app_label, schema_editor, *states)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        base = _maker(schema_editor)
        base.database_backwards(self, app_label, schema_editor, *states)


def _maker(schema_editor: Any) -> type[migrations.AddIndex]:
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    return AddIndexConcurrently if is_postgresql else migrations.AddIndex
