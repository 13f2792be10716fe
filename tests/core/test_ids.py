"""Ids, in both of their spellings."""

from uuid import UUID

import pytest

from core.ids import native_id, new_id, parse_id

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
