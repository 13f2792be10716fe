"""What Twilio publishes of its API, held against what is sent to it.

openapi.json is cut out of the file that Twilio ships in its npm package @twilio/cli-core: the
operations that we use, as they are.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft4Validator  # type: ignore[import-untyped]

FILE = Path(__file__).parent / "openapi.json"
Form = dict[str, list[str]]


def violations(method: str, target: str, form: Form) -> list[str]:
    """What is wrong with a request by what Twilio publishes."""
    parts = urlsplit(target)
    found = [
        (operations[method.lower()], match.groupdict())
        for path, operations in _api()["paths"].items()
        if method.lower() in operations and (match := _pattern(path).fullmatch(parts.path))
    ]
    if not found:
        return [f"{method} {parts.path} is no operation of Twilio's"]
    operation, names = found[0]
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return [
        *_wrong(names, _parameters(operation, place="path")),
        *_wrong(query, _parameters(operation, place="query")),
        *_wrong(_typed(form, _form_schema(operation)), _form_schema(operation)),
    ]


@cache
def _api() -> Any:
    return json.loads(FILE.read_text())


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def _parameters(operation: Any, *, place: str) -> Any:
    given = [one for one in operation["parameters"] if one["in"] == place]
    return {
        "type": "object",
        "properties": {one["name"]: one["schema"] for one in given},
        "required": [one["name"] for one in given if one.get("required")],
    }


def _form_schema(operation: Any) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/x-www-form-urlencoded", {}).get("schema", {})


def _typed(form: Form, schema: Any) -> dict[str, Any]:
    """The form's texts as the types that the schema names."""
    properties = schema.get("properties", {})
    return {
        name: _value(values, properties.get(name, {}).get("type")) for name, values in form.items()
    }


def _value(values: list[str], type: str | None) -> Any:
    if type == "array":
        return values
    if len(values) != 1:
        return values  # said twice, where once is meant
    if type == "integer" and values[0].isdigit():
        return int(values[0])
    return values[0]


def _wrong(given: dict[str, Any], schema: Any) -> list[str]:
    strict = {"properties": {}, **schema, "additionalProperties": False}
    strict["components"] = _api()["components"]
    return [error.message for error in Draft4Validator(strict).iter_errors(given)]
