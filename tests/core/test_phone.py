"""Phone numbers: E.164 (ITU-T E.164) out, whatever comes in, or no number at all."""

import re

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InvalidNumber
from core.phone import region_of, to_e164, zones_of
from tests.properties import ANY_CHARACTER, ANY_TEXT, tried

# ITU-T E.164, 6.2.1: fifteen digits at most, the country's code among them.
E164 = re.compile(r"\+[1-9][0-9]{1,14}")
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
ZEROS = "0٠०０𝟎"


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+1 (415) 555-0123", None, "+14155550123"),
        ("415 555 0123", "US", "+14155550123"),
        ("030 901820", "DE", "+4930901820"),
        ("+39 06 6982", None, "+39066982"),  # an Italian landline keeps its zero
        ("+٤٤٢٠٧٩٤٦٠٩٥٨", None, "+442079460958"),
    ],
)
def test_a_number(text: str, region: str | None, number: str) -> None:
    assert to_e164(text, region=region) == number


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("", "US"),
        ("415 555 0123", None),
        ("415 555 0123", "XX"),
        ("+14155550123 ext. 7", None),
        ("+1415555012", None),
        ("+4918001234567890", None),  # its plan has room for sixteen digits, E.164 has not
        (None, "US"),
        (14155550123, None),
    ],
)
def test_no_number(text: object, region: str | None) -> None:
    with pytest.raises(InvalidNumber):
        to_e164(text, region=region)


# Whatever is written

regions = st.none() | st.sampled_from(REGIONS) | ANY_TEXT


@st.composite
def digits(draw: st.DrawFn) -> str:
    """Digits of any script, with what may stand between them and what may not."""
    plain = draw(st.text("0123456789", min_size=1, max_size=20))
    written = [chr(ord(draw(st.sampled_from(ZEROS))) + int(digit)) for digit in plain]
    separator = draw(st.sampled_from(["", " ", "-", "\u2060", "/"]) | ANY_CHARACTER)
    return draw(st.sampled_from(["", "+", "＋", "00", "011", "tel:+"])) + separator.join(written)


@st.composite
def numbers_of_plans(draw: st.DrawFn) -> tuple[str, str]:
    """A number that some country has, mostly, maybe with a trunk prefix too many; the country."""
    region = draw(st.sampled_from(REGIONS))
    number = phonenumbers.example_number_for_type(region, draw(st.integers(0, 10)))
    national = phonenumbers.national_significant_number(number) if number else ""
    code = draw(st.sampled_from(["", f"+{phonenumbers.country_code_for_region(region)}"]))
    trunk = draw(st.sampled_from(["", "0", "1", "8", "00", "88", "9800"]))
    return code + trunk + national + draw(st.text("0123456789", max_size=3)), region


written = st.tuples(ANY_TEXT | digits(), regions) | numbers_of_plans()


@tried(300)
@given(written)
@example(("1" * 100_000, "US"))
@example(("18001234567890", "DE"))
@example(("\ud800+14155550123\0", None))
def test_it_is_e164_and_stays_so_or_it_is_refused(text: tuple[str, str | None]) -> None:
    try:
        number = to_e164(text[0], region=text[1])
    except InvalidNumber:
        return
    assert E164.fullmatch(number)
    assert phonenumbers.is_valid_number(phonenumbers.parse(number))
    assert {to_e164(number), *(to_e164(number, region=one) for one in REGIONS[::50])} == {number}
    # What else reads numbers reads this one.
    region_of(number)
    assert zones_of(number)


@tried(100)
@given(
    st.sampled_from(REGIONS),
    st.sampled_from(["INTERNATIONAL", "NATIONAL", "RFC3966"]),
    st.sampled_from(ZEROS),
)
def test_a_countrys_number_is_read_however_it_is_written(
    region: str, style: str, zero: str
) -> None:
    number = phonenumbers.example_number(region)
    assert number
    text = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, style))
    other = text.translate({ord(str(digit)): chr(ord(zero) + digit) for digit in range(10)})
    expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert to_e164(other, region=region) == expected


@tried(50)
@given(st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.lists(ANY_TEXT))
def test_what_is_no_text_is_no_number(value: object) -> None:
    with pytest.raises(InvalidNumber):
        to_e164(value, region="US")
