"""Templates filled in with a call's params."""

import time

import pytest

from agents.prompts import TooLong, render


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


def test_no_template_takes_long() -> None:
    began = time.perf_counter()
    for template in ("{{" + " " * 20_000, "{{" * 10_000, "{{a" * 7_000, "{{ a " * 5_000 + "}}"):
        render(template, {"a": "b"})
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(("repeats", "is_too_long"), [(60, False), (70, True)])
def test_what_is_too_long_is_not_built(repeats: int, is_too_long: bool) -> None:
    template, params = "{{a}}" * repeats, {"a": "x" * 1024}
    if is_too_long:
        with pytest.raises(TooLong):
            render(template, params)
    else:
        assert len(render(template, params).text) == repeats * 1024
