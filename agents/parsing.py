"""JSON bodies, read strictly: what PostgreSQL could not store is refused here, with a reason."""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 32
SURROGATES = re.compile("[\ud800-\udfff]")


class JsonBody(BaseParser):
    """A JSON object, or nothing at all: an empty body is an empty object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = read_json(stream.read())
        if not isinstance(body, dict):
            raise ParseError("The body must be a JSON object")
        return body


def read_json(raw: bytes) -> Any:
    """The value in `raw` (UTF-8). Raises ParseError for what is no JSON, or none we can keep."""
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_no_duplicates)
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8") from None
    except RecursionError:
        raise ParseError("The body is nested too deeply") from None
    except ValueError:
        raise ParseError("The body is not valid JSON") from None
    check_storable(value)
    return value


def given_inputs(body: Mapping[str, Any], query: QueryDict) -> dict[str, Any]:
    """The fields of a JSON or form body, then those of the query string that it has not.

    Zapier sends what a person left blank as an empty string or null: neither counts as given.
    Raises ParseError for what we could not keep.
    """
    fields = body.dict() if isinstance(body, QueryDict) else body
    given = {**_filled(query.dict()), **_filled(fields)}
    check_storable(given)
    return given


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    trimmed = {
        name: value.strip() if isinstance(value, str) else value for name, value in fields.items()
    }
    return {name: value for name, value in trimmed.items() if value not in (None, "")}


def check_storable(value: object, depth: int = 0) -> None:
    """Raise ParseError for strings and numbers that no JSON column takes, and for deep nesting."""
    if depth > MAX_DEPTH:
        raise ParseError("The body is nested too deeply")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ParseError("The body has a number that is not finite")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            check_storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_storable(item, depth + 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise ParseError("The body has a NUL character")
    if not text.isascii() and SURROGATES.search(text):
        raise ParseError("The body has half of a surrogate pair")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ParseError("The body names a field twice")
    return value
