"""API keys as text: found by scanners, typos told without a query."""

import re

import pytest

from agents import keys


@pytest.mark.parametrize("mode", ["live", "test"])
def test_new_key_has_prefix_random_part_and_checksum(mode: str) -> None:
    key = keys.new_key(mode)
    assert re.fullmatch(rf"outdial_{mode}_[0-9A-Za-z]{{43}}[0-9A-Za-z]{{6}}", key)
    assert keys.is_well_formed(key)
    assert keys.new_key(mode) != key


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key[:20] + ("a" if key[20] != "a" else "b") + key[21:],
        lambda key: key[:-1],
        lambda key: key + "0",
        lambda key: key.replace("live", "test"),
        lambda key: "",
        lambda key: "é" * 62,
    ],
)
def test_a_typo_is_no_key(spoil: object) -> None:
    assert callable(spoil)
    assert not keys.is_well_formed(spoil(keys.new_key("live")))
