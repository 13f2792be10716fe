"""Rows that SQL of our own reads from PostgreSQL, as the ORM would load them.

For the few statements that every request makes: the ORM takes longer to write one than PostgreSQL
to answer it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model

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
