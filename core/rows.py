"""Rows that SQL of our own reads from PostgreSQL and writes there, as the ORM would.

For the few statements that every request makes: the ORM takes longer to write one than PostgreSQL
to answer it.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model
from django.db.models.base import ModelState

from core.postgresql.base import DatabaseWrapper

Row = TypeVar("Row", bound=Model)


@cache
def is_postgresql() -> bool:
    """Or else it is SQLite."""
    return bool(connection.vendor == "postgresql")


@cache
def fields_of(model: type[Model]) -> "list[Field[Any, Any]]":
    return list(model._meta.concrete_fields)


def columns_of(model: type[Model], *, alias: str) -> str:
    """What to select, for `load` to read."""
    return ", ".join(f"{alias}.{field.column}" for field in fields_of(model))


@cache
def _reading(model: type[Model]) -> tuple[list[str], "list[tuple[int, Any]]"]:
    """The attributes that a row's values become, and which of them are converted, and how."""
    fields = fields_of(model)
    converted = [
        (place, field.from_db_value)
        for place, field in enumerate(fields)
        if hasattr(field, "from_db_value")
    ]
    return [field.attname for field in fields], converted


def load(model: type[Row], values: Sequence[object]) -> Row:
    """As `Model.from_db`, but without its signals, which nobody hears, and its deferred fields."""
    names, converted = _reading(model)
    row = model.__new__(model)
    row.__dict__.update(zip(names, values, strict=True))
    for place, convert in converted:
        row.__dict__[names[place]] = convert(values[place], None, connection)
    row._state = ModelState()
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return row


def load_each(values: Sequence[object], *models: type[Model]) -> list[Any]:
    """A row of each of `models`, whose columns stand side by side in `values`; None in place of one
    that was not found to be joined. What follows them in `values` is left alone."""
    rows: list[Any] = []
    begins = 0
    for model in models:
        ends = begins + len(fields_of(model))
        is_there = values[begins + _place_of_key(model)] is not None
        rows.append(load(model, values[begins:ends]) if is_there else None)
        begins = ends
    return rows


@cache
def _place_of_key(model: type[Model]) -> int:
    return next(place for place, field in enumerate(fields_of(model)) if field.primary_key)


def mark_written(rows: Iterable[Model]) -> None:
    """They stand in the database now, by a statement of ours."""
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@cache
def _named(model: type[Model]) -> list[tuple[str, str]]:
    """Attribute and column of each field."""
    return [(field.attname, str(field.column)) for field in fields_of(model)]


def as_json(row: Model) -> dict[str, object]:
    """Its columns that are not null, for `jsonb_populate_recordset`."""
    held = row.__dict__
    return {column: held[name] for name, column in _named(type(row)) if held[name] is not None}


def prepared_cursor() -> CursorWrapper:
    """A cursor on PostgreSQL for statements that are run again and again."""
    return cast(DatabaseWrapper, connection).prepared_cursor()
