"""Templates: `{{name}}` in a prompt or greeting becomes the call's param of that name."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


@dataclass(frozen=True)
class Rendered:
    """`missing` names the variables that had no param, in order of appearance."""

    text: str
    missing: tuple[str, ...]


def render(template: str, params: Mapping[str, object]) -> Rendered:
    """`template` with its variables filled in; one without a param becomes nothing.

    One pass: what a param contains is text, never a variable of its own.
    """
    missing: dict[str, None] = {}

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in params:
            missing[name] = None
        return _spoken(params.get(name))

    return Rendered(text=VARIABLE.sub(fill, template), missing=tuple(missing))


def _spoken(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
