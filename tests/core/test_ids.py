"""Ids, in both of their spellings."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import native_id, new_id, parse_id
from tests.properties import ANY_CHARACTER, ANY_JSON, ANY_TEXT, tried

ID = UUID("0190a6f1-5b2c-7def-8123-456789abcdef")


def test_new_ids_are_uuid7_and_ordered_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert {one.version for one in ids} == {7}
    assert {one.variant for one in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == 1000
    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)


@pytest.mark.parametrize("text", [native_id("call", ID), str(ID), ID.hex, str(ID).upper()])
def test_either_spelling(text: str) -> None:
    assert parse_id("call", text) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "call_",
        native_id("agent", ID),
        str(ID)[:-1],
        "{" + str(ID)[1:-1] + "}",
        "urn:uuid:" + str(ID),
        str(ID).replace("-", "_"),
        "０" * 32,
        None,
        7,
    ],
)
def test_nothing_else(text: object) -> None:
    assert parse_id("call", text) is None


# Whatever is given

PREFIXES = st.sampled_from(["agent", "call", "sms", "whk", "evt", "dlv"])


def spellings(prefix: str, id: UUID) -> set[str]:
    """All in which an id of ours may be written."""
    plain = {id.hex, str(id), id.hex.upper(), str(id).upper()}
    return plain | {f"{prefix}_{one}" for one in plain}


@st.composite
def nearly_ids(draw: st.DrawFn) -> str:
    """An id in which one thing is another, missing or too many."""
    id = draw(st.uuids())
    text = draw(st.sampled_from([str(id), id.hex, id.urn, f"{{{id}}}", native_id("call", id)]))
    at = draw(st.integers(0, len(text)))
    end = at + draw(st.integers(0, 1))
    return text[:at] + draw(st.text(ANY_CHARACTER, max_size=1)) + text[end:]


@tried(200)
@given(PREFIXES, st.uuids())
def test_every_id_is_read_in_each_of_its_spellings(prefix: str, id: UUID) -> None:
    assert {parse_id(prefix, text) for text in spellings(prefix, id)} == {id}


@tried(300)
@given(PREFIXES, nearly_ids() | ANY_TEXT | ANY_JSON)
def test_nothing_else_is_an_id(prefix: str, given: object) -> None:
    id = parse_id(prefix, given)
    if id is not None:
        assert isinstance(given, str)
        plain = given.strip().removeprefix(f"{prefix}_")
        assert plain.lower() in spellings(prefix, id)


@tried(100)
@given(PREFIXES, PREFIXES, st.uuids())
def test_an_id_of_one_kind_is_none_of_another(prefix: str, other: str, id: UUID) -> None:
    assert parse_id(other, native_id(prefix, id)) == (id if prefix == other else None)
