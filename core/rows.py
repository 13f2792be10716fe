"""Rows that SQL of our own reads from PostgreSQL and writes there, as the ORM would.

For the few statements that every request makes: the ORM takes longer to write one than PostgreSQL
to answer it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    DecimalField,
    Field,
    ForeignKey,
    IntegerField,
    Model,
    TextField,
    UUIDField,
)

from core.postgresql.base import DatabaseWrapper

Row = TypeVar("Row", bound=Model)

# Of these psycopg takes the values as they are.
PLAIN = (
    BooleanField,
    CharField,
    DateTimeField,
    DecimalField,
    ForeignKey,
    IntegerField,
    TextField,
    UUIDField,
)


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


def stored(row: Model) -> dict[str, Any]:
    """What its columns hold, without those that are null."""
    values = ((field, getattr(row, field.attname)) for field in fields_of(type(row)))
    return {
        str(field.column): value if isinstance(field, PLAIN) else _for_database(field, value)
        for field, value in values
        if value is not None
    }


def _for_database(field: "Field[Any, Any]", value: object) -> object:
    return field.get_db_prep_save(value, connection)


def prepared_cursor() -> CursorWrapper:
    """A cursor on PostgreSQL for statements that are run again and again."""
    return cast(DatabaseWrapper, connection).prepared_cursor()
