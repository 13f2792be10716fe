"""Django's PostgreSQL backend with a round trip less for every request, and prepared statements."""

import select
from datetime import UTC
from typing import Any, ClassVar

import psycopg
from django.db.backends.postgresql import base, operations
from django.db.backends.postgresql.psycopg_any import get_adapters_template
from django.db.backends.utils import CursorWrapper
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import TimestamptzLoader


def _adapters() -> AdaptersMap:
    """Django's, but for moments: psycopg reads those in C, and connections are in UTC anyway."""
    adapters = AdaptersMap(get_adapters_template(True, UTC))
    adapters.register_loader("timestamptz", TimestamptzLoader)
    return adapters


class PreparedCursor(base.ServerBindingCursor):
    adapters: ClassVar[AdaptersMap] = _adapters()


class DatabaseOperations(operations.DatabaseOperations):
    def last_executed_query(self, cursor: Any, sql: object, params: Any) -> str:
        """For logs: of a statement that it prepared before, psycopg keeps no text."""
        return super().last_executed_query(cursor, sql, params) or str(sql)


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations

    def is_usable(self) -> bool:
        """Ask the server only where there is reason to: an error, or anything to read.

        A server that closed the connection, or is about to, has left something to read. One that
        vanished has not, and would not answer a question either: keepalives find that out.
        """
        if self.errors_occurred:
            return self._is_usable_after_error()
        return bool(self.connection and _is_quiet(self.connection)) or super().is_usable()

    def _is_usable_after_error(self) -> bool:
        """What was prepared before a column changed its type fails again and again, so all is
        prepared afresh; that the server takes this says as much as an answer to SELECT 1."""
        try:
            self.connection.execute("DEALLOCATE ALL")
        except psycopg.Error:
            return False
        return True

    def prepared_cursor(self) -> CursorWrapper:
        """A cursor whose statements PostgreSQL parses and plans once per connection.

        Values are sent beside the statement, so each placeholder is to have one type.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            cursor = PreparedCursor(self.connection)  # type: ignore[call-arg]
            prepared: CursorWrapper = self._prepare_cursor(cursor)  # type: ignore[attr-defined]
            return prepared


def _is_quiet(connection: "psycopg.Connection[object]") -> bool:
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
