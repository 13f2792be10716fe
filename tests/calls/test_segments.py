"""Segments of text messages: what 3GPP TS 23.038 and TS 23.040 leave room for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.segments import BASIC, EXTENSION, GSM_7, ROOM, UCS_2, encoding_of, split

# 3GPP TS 23.038, 6.2.1: the whole default alphabet, row by row of its table, less the escape.
TABLE = [
    "@Δ 0¡P¿p",
    "£_!1AQaq",
    '$Φ"2BRbr',
    "¥Γ#3CScs",
    "èΛ¤4DTdt",
    "éΩ%5EUeu",
    "ùΠ&6FVfv",
    "ìΨ'7GWgw",
    "òΣ(8HXhx",
    "ÇΘ)9IYiy",
    "\nΞ*:JZjz",
    "Ø+;KÄkä",
    "øÆ,<LÖlö",
    "\ræ-=MÑmñ",
    "Åß.>NÜnü",
    "åÉ/?O§oà",
]

GSM = st.text(st.sampled_from(sorted(BASIC | EXTENSION)), max_size=1200)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
EMOJI = st.text(st.sampled_from("a😀é\u200d👨ł"), max_size=400)


def test_the_alphabet_is_the_specs() -> None:
    assert frozenset("".join(TABLE)) == BASIC
    assert len(BASIC) == 127


# TS 23.038, 6.1.2.1.1: 160 characters of 7 bits in 140 octets; 6.2.1.1: the extension table;
# 6.2.3: UCS-2. TS 23.040, 9.2.3.24.1: the header of a part, with its length 6 octets.
@pytest.mark.parametrize(
    ("text", "encoding", "lengths"),
    [
        ("", GSM_7, [0]),
        ("Hello", GSM_7, [5]),
        ("a" * 160, GSM_7, [160]),
        ("a" * 161, GSM_7, [153, 8]),
        ("a" * 306, GSM_7, [153, 153]),
        ("a" * 307, GSM_7, [153, 153, 1]),
        ("€" * 80, GSM_7, [80]),
        ("€" * 81, GSM_7, [76, 5]),  # 153 septets hold 76 escaped characters, and one is left over
        ("a" * 152 + "€" + "a" * 10, GSM_7, [152, 11]),  # the escape would stand at the very end
        ("a" * 151 + "€" + "a" * 10, GSM_7, [152, 10]),
        ("a" * 158 + "€", GSM_7, [159]),
        ("a" * 159 + "€", GSM_7, [153, 7]),
        ("Grüße, señor Ångström\r\n", GSM_7, [23]),
        ("ç", UCS_2, [1]),  # only the capital Ç is in the alphabet
        ("`", UCS_2, [1]),
        ("\t", UCS_2, [1]),
        ("\x1b", UCS_2, [1]),  # the escape itself is no character
        ("ł" * 70, UCS_2, [70]),
        ("ł" * 71, UCS_2, [67, 4]),
        ("a" * 70 + "ł", UCS_2, [67, 4]),
        ("😀" * 35, UCS_2, [35]),
        ("😀" * 36, UCS_2, [33, 3]),  # 67 code units hold 33 pairs, and one is left over
        ("ł" * 66 + "😀" + "ł" * 10, UCS_2, [66, 11]),  # half a pair would stand at the very end
    ],
)
def test_known_examples(text: str, encoding: str, lengths: list[int]) -> None:
    assert encoding_of(text) == encoding
    assert [len(part) for part in split(text)] == lengths


@given(st.one_of(GSM, ANY, EMOJI))
def test_segments_fit_hold_everything_and_are_as_few_as_can_be(text: str) -> None:
    parts = split(text)
    alone, part = ROOM[encoding_of(text)]
    weights = [_weight(one, encoding_of(text)) for one in parts]

    assert "".join(parts) == text
    assert sum(weights) == _weight(text, encoding_of(text))
    assert max(weights) <= (alone if len(parts) == 1 else part)
    assert len(parts) == 1 or sum(weights) > alone
    assert all(parts) or text == ""
    # A part is closed only where the next character does not fit.
    for one, following in pairwise(parts):
        assert _weight(one + following[0], encoding_of(text)) > part


@given(EMOJI)
def test_every_segment_is_text_of_its_own(text: str) -> None:
    for part in split(text):
        assert part.encode("utf-16-be").decode("utf-16-be") == part


def _weight(text: str, encoding: str) -> int:
    if encoding == UCS_2:
        return len(text.encode("utf-16-be")) // 2
    return len(text) + sum(text.count(character) for character in EXTENSION)
