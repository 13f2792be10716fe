"""Adding to rollups: one statement, whoever else adds to the same rows at the moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from django.db import connection, models
from django.utils import timezone

from core.rows import is_postgresql
from operations.spans import begin_of

ROWS_AT_ONCE = 5_000

Key = tuple[Any, ...]
Sums = Sequence[Any]
# When it happened, what it is counted by, and what is added.
Counted = tuple[datetime, Key, Sums]


@dataclass(frozen=True)
class Counts:
    """Rows to be counted, and how the columns are called that they have: two at least of each."""

    rows: Sequence[Counted]
    by: Sequence[str]
    sums: Sequence[str]

    def in_spans(
        self, kept_for: Mapping[Any, timedelta], *, by: Sequence[str], sums: Sequence[str]
    ) -> dict[Key, Sums]:
        """Some of the sums, by span, when that began, and some of the columns."""
        counted: dict[Key, list[Any]] = defaultdict(lambda: [0] * len(sums))
        key_of = itemgetter(*[self.by.index(name) for name in by])
        sums_of = itemgetter(*[self.sums.index(name) for name in sums])
        kept_from = [(int(span), timezone.now() - kept) for span, kept in kept_for.items()]
        for at, key, numbers in self.rows:
            for span, since in kept_from:
                if at < since:
                    continue  # it would be deleted within the hour
                so_far = counted[span, begin_of(at, span), *key_of(key)]
                for place, number in enumerate(sums_of(numbers)):
                    so_far[place] += number
        return dict(counted)


def add_up(
    model: type[models.Model],
    counted: Mapping[Key, Sums],
    *,
    by: Sequence[str],
    sums: Sequence[str],
    only: str = "",
) -> None:
    """Add the sums of `counted` to the rows that its keys name, and make those that are missing.

    `by` and `sums` name the columns of a key and of its sums; `only` is the condition of the
    unique constraint over `by`, where it has one.
    """
    # In one order, so that two that add to the same rows wait for each other in turn.
    rows = sorted(counted.items(), key=lambda row: str(row[0]))
    fields: list[Any] = [model._meta.get_field(name) for name in [*by, *sums]]
    sql = _statement(model, fields, by=len(by), only=only)
    with connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = [[*key, *add] for key, add in rows[start : start + ROWS_AT_ONCE]]
            if is_postgresql():
                cursor.execute(sql, [list(column) for column in zip(*some, strict=True)])
            else:
                cursor.executemany(sql, [_stored(fields, row) for row in some])


def _statement(model: type[models.Model], fields: Sequence[Any], *, by: int, only: str) -> str:
    table, columns = model._meta.db_table, [field.column for field in fields]
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns[by:])
    where = f"WHERE {only} " if only else ""
    # The rows by column, as arrays: a thousand rows are as many parameters as one.
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    values = f"VALUES ({', '.join(['%s'] * len(fields))})"
    rows = f"SELECT * FROM unnest({arrays})"  # noqa: S608
    source = rows if is_postgresql() else values
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) {source} "
        f"ON CONFLICT ({', '.join(columns[:by])}) {where}DO UPDATE SET {added}"
    )


def _stored(fields: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    pairs = zip(fields, values, strict=True)
    return [field.get_db_prep_save(value, connection) for field, value in pairs]
