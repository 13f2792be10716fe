"""Adding to rollups: one statement, whoever else adds to the same rows at the moment."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from django.db import connection, models

ROWS_AT_ONCE = 500

Key = tuple[Any, ...]
Sums = Sequence[Any]


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
    rows = sorted(counted.items(), key=lambda row: tuple(map(str, row[0])))
    sql = _statement(model, by=by, sums=sums, only=only)
    fields = [model._meta.get_field(name) for name in [*by, *sums]]
    with connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            values = [_stored(fields, [*key, *add]) for key, add in some]
            placeholders = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(some))
            cursor.execute(sql.format(values=placeholders), list(chain.from_iterable(values)))


def _statement(
    model: type[models.Model], *, by: Sequence[str], sums: Sequence[str], only: str
) -> str:
    def columns(names: Sequence[str]) -> list[str]:
        return [f"{model._meta.get_field(name).column}" for name in names]  # type: ignore[union-attr]

    table = model._meta.db_table
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns(sums))
    return (
        f"INSERT INTO {table} ({', '.join(columns([*by, *sums]))}) VALUES {{values}} "  # noqa: S608
        f"ON CONFLICT ({', '.join(columns(by))}) {only and f'WHERE {only} '}DO UPDATE SET {added}"
    )


def _stored(fields: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    pairs = zip(fields, values, strict=True)
    return [field.get_db_prep_save(value, connection) for field, value in pairs]
