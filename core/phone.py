"""Phone numbers: E.164 (ITU-T E.164) in, E.164 out."""

import phonenumbers

from core.errors import InvalidNumber


def to_e164(text: object, *, region: str | None = None) -> str:
    """`text` as E.164, e.g. `+14155550123`.

    A number without `+` is read as one of `region` (ISO 3166-1 alpha-2). Raises InvalidNumber when
    it is no number that the numbering plan of its country has.
    """
    if not isinstance(text, str):
        raise InvalidNumber
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise InvalidNumber from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise InvalidNumber
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def region_of(e164: str | None) -> str | None:
    """The country of an E.164 number as ISO 3166-1 alpha-2; None when it has none."""
    if not e164:
        return None
    return phonenumbers.region_code_for_number(phonenumbers.parse(e164))
