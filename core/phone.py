"""Phone numbers: E.164 (ITU-T E.164) in, E.164 out."""

from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone

from core.errors import InvalidNumber

# E.164, 6.2.1. Some countries' plans, as phonenumbers knows them, have room for more.
MAX_DIGITS = 15

# Every whole hour that clocks on earth show at one moment.
EVERYWHERE = tuple(ZoneInfo(f"Etc/GMT{hours:+d}") for hours in range(-14, 13))


def to_e164(text: object, *, region: str | None = None) -> str:
    """`text` as E.164, e.g. `+14155550123`.

    A number without `+` is read as one of `region` (ISO 3166-1 alpha-2). Raises InvalidNumber when
    it is no number that the numbering plan of its country has, or longer than E.164 allows.
    """
    if not isinstance(text, str):
        raise InvalidNumber
    return _to_e164(text, region)


@lru_cache(maxsize=10_000)
def _to_e164(text: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise InvalidNumber from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise InvalidNumber
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if len(e164) > 1 + MAX_DIGITS:
        raise InvalidNumber
    return e164


@lru_cache(maxsize=10_000)
def region_of(e164: str | None) -> str | None:
    """The country of an E.164 number as ISO 3166-1 alpha-2; None when it has none."""
    if not e164:
        return None
    return phonenumbers.region_code_for_number(phonenumbers.parse(e164))


@lru_cache(maxsize=10_000)
def zones_of(e164: str) -> tuple[ZoneInfo, ...]:
    """The time zones in one of which a number may be; all of them where nothing tells.

    A landline's are those of its area, a mobile's those of its country. Numbers that several
    countries share (+1 800) count as the country's that `region_of` names.
    """
    number = phonenumbers.parse(e164)
    of_number = set(timezone.time_zones_for_number(number)) - {timezone.UNKNOWN_TIMEZONE}
    of_country = _zones_of_countries().get(phonenumbers.region_code_for_number(number) or "", set())
    names = (of_number & of_country) or of_number or of_country
    return tuple(ZoneInfo(name) for name in sorted(names)) or EVERYWHERE


@cache
def _zones_of_countries() -> dict[str, set[str]]:
    """From the time zone database's own table, by ISO 3166-1 alpha-2."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    zones: dict[str, set[str]] = {}
    for line in table.splitlines():
        if not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            zones.setdefault(country, set()).add(name)
    return zones
