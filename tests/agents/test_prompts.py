"""Templates filled in with a call's params."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.prompts import MAX_LENGTH, TooLong, render
from tests.properties import ANY_CHARACTER, ANY_JSON, ANY_TEXT, tried


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


# Whatever the template, whatever the params

params = st.dictionaries(st.sampled_from("abc") | ANY_TEXT, ANY_JSON, max_size=4)
braces = st.text(st.sampled_from("{} ab\n") | ANY_CHARACTER, max_size=40)
literals = st.text(st.characters(exclude_characters="{}"), max_size=10)
names = st.sampled_from("abc") | literals.filter(bool)
pieces = st.lists(st.tuples(literals, names, st.sampled_from(["", " ", "\n\t"])), max_size=6)


def spoken(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


@tried(200)
@given(pieces, params)
def test_each_variable_becomes_its_param_and_the_rest_stays(
    pieces: list[tuple[str, str, str]], params: dict[str, object]
) -> None:
    template = "".join(f"{text}{{{{{pad}{name}{pad}}}}}" for text, name, pad in pieces)
    asked = [name.strip() for _, name, _ in pieces]
    texts = [text for text, _, _ in pieces]

    rendered = render(template, params)

    filled = zip(texts, (spoken(params.get(name)) for name in asked), strict=True)
    assert rendered.text == "".join(text + value for text, value in filled)
    missing = [name for name in asked if name and name not in params]
    assert rendered.missing == tuple(dict.fromkeys(missing))


@tried(200)
@given(braces, params)
def test_any_template_is_rendered(template: str, params: dict[str, object]) -> None:
    rendered = render(template, params)
    assert all(name in template for name in rendered.missing)
    if "{{" not in template or "}}" not in template:
        assert rendered.text == template


@tried(100)
@given(st.integers(1, 40), st.integers(0, 8_000))
def test_only_what_would_be_too_long_is_refused(repeats: int, length: int) -> None:
    template, value = "{{a}}" * repeats, "x" * length
    try:
        text = render(template, {"a": value}).text
    except TooLong:
        assert len(template) + repeats * length > MAX_LENGTH
    else:
        assert text == value * repeats
        assert len(text) <= MAX_LENGTH
