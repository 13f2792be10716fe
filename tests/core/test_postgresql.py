"""A connection that the server ended is noticed without asking over one that is well."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import NotSupportedError, connection
from django.test.utils import CaptureQueriesContext

from core.rows import prepared_cursor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own"),
]


@pytest.fixture
def other() -> Iterator["psycopg.Connection[Any]"]:
    """Another session of the same database, to look at ours from outside."""
    settings = connection.settings_dict
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    given = {name: settings[key] for name, key in names.items() if settings[key]}
    with psycopg.connect(dbname=settings["NAME"], autocommit=True, **given) as other:
        yield other


@pytest.fixture
def ours() -> int:
    """The process that serves our session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


def test_a_connection_that_is_well_is_not_asked(
    other: "psycopg.Connection[Any]", ours: int
) -> None:
    assert connection.is_usable()
    last = other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [ours]).fetchone()
    assert last == ("SELECT pg_backend_pid()",)


def test_one_that_had_an_error_is(other: "psycopg.Connection[Any]", ours: int) -> None:
    connection.errors_occurred = True
    assert connection.is_usable()
    last = other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [ours]).fetchone()
    assert last == ("DEALLOCATE ALL",)


def test_one_that_the_server_ended_is_opened_anew(
    other: "psycopg.Connection[Any]", ours: int
) -> None:
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [ours])
    assert not connection.is_usable()
    # As at the beginning of a request.
    connection.health_check_done = False  # type: ignore[attr-defined]
    connection.health_check_enabled = True  # type: ignore[attr-defined]
    with prepared_cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() != (ours,)


def test_a_prepared_statement_is_planned_once_and_logged_each_time() -> None:
    with CaptureQueriesContext(connection) as logged, prepared_cursor() as cursor:
        for number in range(4):
            cursor.execute("SELECT %s::int + 1", [number])
            assert cursor.fetchone() == (number + 1,)
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%+ 1'")
        assert cursor.fetchone() == (1,)
    assert [one["sql"].split()[0] for one in logged] == ["SELECT"] * 5


def test_a_column_whose_type_changes_fails_once(other: "psycopg.Connection[Any]") -> None:
    """As a migration does it while this process runs on."""
    other.execute("CREATE TABLE migrated AS SELECT 1 AS number")
    try:
        for _ in range(10):
            assert number_of_migrated() == 1
        other.execute("ALTER TABLE migrated ALTER number TYPE text")
        with pytest.raises(NotSupportedError):
            number_of_migrated()
        connection.close_if_unusable_or_obsolete()

        assert number_of_migrated() == "1"
    finally:
        other.execute("DROP TABLE migrated")


def number_of_migrated() -> object:
    with prepared_cursor() as cursor:
        cursor.execute("SELECT number FROM migrated")
        return cursor.fetchone()[0]
