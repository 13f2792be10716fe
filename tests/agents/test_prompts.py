"""Templates filled in with a call's params."""

import pytest

from agents.prompts import render


@pytest.mark.parametrize(
    ("template", "params", "text", "missing"),
    [
        ("Hello {{name}}", {"name": "Ada"}, "Hello Ada", ()),
        ("Hello {{ name }}!", {"name": "Ada"}, "Hello Ada!", ()),
        ("{{a}}{{b}}{{a}}", {"b": 2}, "2", ("a",)),
        ("{{x}}", {"x": None}, "", ()),
        ("{{x}}", {"x": "{{y}}", "y": "no"}, "{{y}}", ()),
        ("{{x}}", {"x": {"k": ["é", True]}}, '{"k": ["é", true]}', ()),
        ("{name} {{}} {{{a}}}", {"a": 1}, "{name} {{}} {1}", ()),
    ],
)
def test_render(template: str, params: dict[str, object], text: str, missing: tuple[str]) -> None:
    rendered = render(template, params)
    assert (rendered.text, rendered.missing) == (text, missing)
