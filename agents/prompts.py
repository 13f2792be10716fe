"""Templates: `{{name}}` in a prompt or greeting becomes the call's param of that name."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

# No two parts of this can match the same character: a template is anybody's, and a pattern that
# backtracks would hold the whole process up.
VARIABLE = re.compile(r"\{\{([^{}]+)\}\}")
MAX_LENGTH = 64 * 1024


@dataclass(frozen=True)
class Rendered:
    """`missing` names the variables that had no param, in order of appearance."""

    text: str
    missing: tuple[str, ...]


class TooLong(ValueError):
    """The params make the text longer than MAX_LENGTH characters."""


def render(template: str, params: Mapping[str, object]) -> Rendered:
    """`template` with its variables filled in; one without a param becomes nothing.

    One pass: what a param contains is text, never a variable of its own. Raises TooLong before it
    builds what would be too long.
    """
    missing: dict[str, None] = {}
    room = MAX_LENGTH - len(template)

    def fill(match: re.Match[str]) -> str:
        nonlocal room
        name = match[1].strip()
        if name not in params and name:
            missing[name] = None
        text = _spoken(params.get(name))
        room -= len(text)
        if room < 0:
            raise TooLong
        return text

    return Rendered(text=VARIABLE.sub(fill, template), missing=tuple(missing))


def _spoken(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
