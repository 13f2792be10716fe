"""Migrations run while the version before works on: what it would stumble over is refused here.

`tests/e2e/next_release` has one of each kind that is fine, and runs them so.
"""

from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.sql_analyser.analyser import (
    analyse_sql_statements,
    get_sql_analyser_class,
)

from core.indexes import AddIndexBesideWriters
from webhooks.models import Delivery

# What there was before anybody could run a version: it met no calls.
FOUNDATION = {"agents": 12, "calls": 13, "operations": 4, "webhooks": 3}
# Rows are changed some at a time, by a command or a worker.
IN_ONE_GO = (migrations.RunPython, migrations.RunSQL)

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has no version before beside it"
)


def objections(*operations: Any, is_atomic: bool = True) -> list[str]:
    """What the version before would stumble over in a migration of webhooks."""
    contents = {"operations": list(operations), "atomic": is_atomic}
    migration = type("Migration", (migrations.Migration,), contents)("next", "webhooks")
    loader = MigrationLoader(connection)
    with connection.schema_editor(collect_sql=True, atomic=is_atomic) as editor:
        migration.apply(loader.project_state(), editor, collect_sql=True)
    return _objections(migration, list(editor.collected_sql))


def _objections(migration: migrations.Migration, statements: list[str]) -> list[str]:
    analyser = get_sql_analyser_class("", analyser_string="postgresql")
    statements = ["BEGIN;", *statements] if migration.atomic else statements
    errors, _, warnings = analyse_sql_statements(analyser, statements, [])
    by_code = [str(issue.code) for issue in [*errors, *warnings]]
    in_one_go = [type(one).__name__ for one in migration.operations if isinstance(one, IN_ONE_GO)]
    return by_code + in_one_go


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_none_is_in_the_way_of_the_version_before() -> None:
    loader = MigrationLoader(connection)
    found = {}
    for (app, name), migration in loader.disk_migrations.items():
        if app in FOUNDATION and int(name[:4]) > FOUNDATION[app]:
            found[f"{app}.{name}"] = _objections(
                migration, loader.collect_sql([(migration, False)])
            )
    assert not any(found.values()), found


@on_postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("operation", "objection"),
    [
        (migrations.AddField("delivery", "x", models.IntegerField(default=0)), "NOT_NULL"),
        (migrations.RemoveField("delivery", "attempts"), "DROP_COLUMN"),
        (migrations.RenameField("delivery", "attempts", "tries"), "RENAME_COLUMN"),
        (migrations.RenameModel("Delivery", "Sending"), "RENAME_TABLE"),
        (migrations.AlterField("delivery", "attempts", models.TextField()), "ALTER_COLUMN"),
        (
            migrations.AddIndex("delivery", models.Index(fields=["attempts"], name="x")),
            "CREATE_INDEX",
        ),
        (migrations.RunPython(migrations.RunPython.noop), "RunPython"),
    ],
)
def test_what_would_be(operation: Any, objection: str) -> None:
    assert objection in objections(operation)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_what_would_not() -> None:
    index = models.Index(fields=["attempts"], name="x")
    assert not objections(AddIndexBesideWriters("delivery", index), is_atomic=False)
    assert not objections(
        migrations.AddField("delivery", "x", models.TextField(null=True)),
        migrations.AddField("delivery", "y", models.IntegerField(db_default=0)),
        migrations.CreateModel("Thing", [("id", models.UUIDField(primary_key=True))]),
    )


@pytest.mark.django_db(transaction=True)
def test_an_index_is_made_again_where_a_killed_start_left_one() -> None:
    index = models.Index(fields=["attempts"], name="left_behind")
    adding = AddIndexBesideWriters("delivery", index)
    before = MigrationLoader(connection).project_state()
    after = before.clone()
    adding.state_forwards("webhooks", after)
    try:
        for _ in range(2):
            with connection.schema_editor(atomic=False) as editor:
                adding.database_forwards("webhooks", editor, before, after)
        assert "left_behind" in _indexes()
    finally:
        with connection.schema_editor(atomic=False) as editor:
            adding.database_backwards("webhooks", editor, after, before)
    assert "left_behind" not in _indexes()


def _indexes() -> Any:
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, Delivery._meta.db_table)
