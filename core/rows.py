"""Rows that SQL of our own reads from PostgreSQL, as the ORM would load them.

For the few statements that every request makes: the ORM takes longer to write one than PostgreSQL
to answer it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model

from core.postgresql.base import DatabaseWrapper

Row = TypeVar("Row", bound=Model)


@cache
def fields_of(model: type[Model]) -> "list[Field[Any, Any]]":
    return list(model._meta.concrete_fields)


def columns_of(model: type[Model], *, alias: str) -> str:
    """What to select, for `load` to read."""
    return ", ".join(f"{alias}.{field.column}" for field in fields_of(model))


def load(model: type[Row], values: Sequence[object]) -> Row:
    fields = fields_of(model)
    pairs = zip(fields, values, strict=True)
    read = [
        field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in pairs
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], read)


def prepared_cursor() -> CursorWrapper:
    """A cursor on PostgreSQL for statements that are run again and again."""
    return cast(DatabaseWrapper, connection).prepared_cursor()
