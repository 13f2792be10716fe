"""Calling hours: open and closed, over midnight, over both changes of the clock, in every zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from calls.hours import Week, day_start, is_open, next_opening
from core.phone import EVERYWHERE, zones_of

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
KATHMANDU, LORD_HOWE = ZoneInfo("Asia/Kathmandu"), ZoneInfo("Australia/Lord_Howe")


def every_day(*windows: tuple[str, str]) -> Week:
    return Week.of([windows] * 7)


def opening(week: Week, since: str, *zones: ZoneInfo) -> str | None:
    """The next opening as UTC, both without seconds."""
    found = next_opening(week, zones=zones, since=datetime.fromisoformat(since + "Z"))
    return f"{found.astimezone(UTC):%Y-%m-%dT%H:%M}" if found else None


WORKDAYS = Week.of([[("09:00", "12:00"), ("13:00", "20:00")]] * 5 + [[], []])


@pytest.mark.parametrize(
    ("since", "opens"),
    [
        ("2026-01-05T07:59", "2026-01-05T08:00"),  # a Monday: 08:59 in Berlin
        ("2026-01-05T08:00", "2026-01-05T08:00"),
        ("2026-01-05T10:59", "2026-01-05T10:59"),
        ("2026-01-05T11:00", "2026-01-05T12:00"),
        ("2026-01-09T18:59", "2026-01-09T18:59"),
        ("2026-01-09T19:00", "2026-01-12T08:00"),  # Friday evening: Monday
        ("2026-07-05T12:00", "2026-07-06T07:00"),  # in summer
    ],
)
def test_windows_of_workdays(since: str, opens: str) -> None:
    assert opening(WORKDAYS, since, BERLIN) == opens


def test_windows_over_midnight_belong_to_the_day_they_begin_on() -> None:
    friday_night = Week.of([[], [], [], [], [("22:00", "02:00")], [], []])
    assert opening(friday_night, "2026-01-05T12:00", BERLIN) == "2026-01-09T21:00"
    assert opening(friday_night, "2026-01-10T00:59", BERLIN) == "2026-01-10T00:59"
    assert opening(friday_night, "2026-01-10T01:00", BERLIN) == "2026-01-16T21:00"


def test_over_midnight_from_sunday_to_monday() -> None:
    sunday_night = Week.of([[]] * 6 + [[("23:00", "01:00")]])
    assert opening(sunday_night, "2026-01-04T23:30", BERLIN) == "2026-01-04T23:30"
    assert opening(sunday_night, "2026-01-05T00:00", BERLIN) == "2026-01-11T22:00"


@pytest.mark.parametrize("end", ["24:00", "00:00"])
def test_to_the_end_of_the_day(end: str) -> None:
    week = Week.of([[("20:00", end)], [], [], [], [], [], []])
    assert opening(week, "2026-01-05T22:59", BERLIN) == "2026-01-05T22:59"
    assert opening(week, "2026-01-05T23:00", BERLIN) == "2026-01-12T19:00"


def test_all_day_never_closes() -> None:
    assert opening(every_day(("00:00", "24:00")), "2026-03-29T00:59", BERLIN) == "2026-03-29T00:59"


def test_never_open() -> None:
    assert opening(Week.of([[]] * 7), "2026-01-05T12:00", BERLIN) is None


def test_it_must_be_open_in_every_zone() -> None:
    week = every_day(("09:00", "17:00"))
    # 09:00 in New York is 15:00 in Berlin.
    assert opening(week, "2026-01-05T08:00", BERLIN, NEW_YORK) == "2026-01-05T14:00"
    assert opening(week, "2026-01-05T16:00", BERLIN, NEW_YORK) == "2026-01-06T14:00"
    assert opening(every_day(("09:00", "12:00")), "2026-01-05T08:00", BERLIN, NEW_YORK) is None


def test_zones_off_the_hour() -> None:
    assert (
        opening(every_day(("09:00", "17:00")), "2026-01-05T00:00", KATHMANDU) == "2026-01-05T03:15"
    )


# Berlin, 2026: at 02:00 on 29 March it becomes 03:00, at 03:00 on 25 October 02:00.


@pytest.mark.parametrize(
    ("window", "since", "opens"),
    [
        # The day before opens an hour later in UTC than the day after.
        (("09:00", "20:00"), "2026-03-28T20:00", "2026-03-29T07:00"),
        (("09:00", "20:00"), "2026-10-24T20:00", "2026-10-25T08:00"),
        # A window that begins in the gap opens when the gap ends.
        (("02:30", "05:00"), "2026-03-29T00:30", "2026-03-29T01:00"),
        # One within the gap does not open that day.
        (("02:15", "02:45"), "2026-03-29T00:30", "2026-03-30T00:15"),
        # One within the hour that comes twice opens twice.
        (("02:15", "02:45"), "2026-10-25T00:00", "2026-10-25T00:15"),
        (("02:15", "02:45"), "2026-10-25T00:45", "2026-10-25T01:15"),
        # One that ended within it goes on when the hour begins again.
        (("00:30", "02:30"), "2026-10-25T00:30", "2026-10-25T01:00"),
        (("00:30", "02:30"), "2026-10-25T01:30", "2026-10-25T23:30"),
    ],
)
def test_over_changes_of_the_clock(window: tuple[str, str], since: str, opens: str) -> None:
    assert opening(every_day(window), since, BERLIN) == opens


def test_the_week_in_which_the_only_window_is_swallowed() -> None:
    week = Week.of([[]] * 6 + [[("02:15", "02:45")]])
    assert opening(week, "2026-03-22T02:00", BERLIN) == "2026-04-05T00:15"


@pytest.mark.parametrize(
    ("zone", "at", "starts"),
    [
        (BERLIN, "2026-03-29T12:00", "2026-03-28T23:00"),
        (BERLIN, "2026-10-25T12:00", "2026-10-24T22:00"),
        # Midnight itself is in the gap: the day begins at 01:00.
        (ZoneInfo("Africa/Cairo"), "2026-04-24T12:00", "2026-04-23T22:00"),
        # Midnight comes twice: the day begins at the first.
        (ZoneInfo("America/Havana"), "2026-11-01T12:00", "2026-11-01T04:00"),
    ],
)
def test_a_day_begins(zone: ZoneInfo, at: str, starts: str) -> None:
    began = day_start(zone, at=datetime.fromisoformat(at + "Z"))
    assert f"{began:%Y-%m-%dT%H:%M}" == starts


@pytest.mark.parametrize(
    ("days", "complaint"),
    [
        ([[("9:00", "20:00")]] + [[]] * 6, "9:00 is no time"),
        ([[("09:00", "24:01")]] + [[]] * 6, "24:01 is no time"),
        ([[("09:60", "10:00")]] + [[]] * 6, "09:60 is no time"),
        ([[("09:00", "09:00")]] + [[]] * 6, "no time at all"),
        ([[("24:00", "02:00")]] + [[]] * 6, "no time at all"),
        ([[("09:00", "12:00"), ("11:59", "13:00")]] + [[]] * 6, "overlap"),
        ([[("22:00", "02:00"), ("23:00", "23:30")]] + [[]] * 6, "overlap"),
        ([[]] * 6, "seven days"),
    ],
)
def test_what_are_no_hours(days: list[list[tuple[str, str]]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Week.of(days)


def test_windows_may_touch() -> None:
    assert opening(every_day(("09:00", "12:00"), ("12:00", "13:00")), "2026-01-05T11:00", BERLIN)


# Zones of numbers


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+14155550123", {"America/Los_Angeles"}),
        ("+442079460000", {"Europe/London"}),
        ("+4915112345678", {"Europe/Berlin"}),
        ("+919876543210", {"Asia/Calcutta"}),
    ],
)
def test_a_numbers_zones(number: str, zones: set[str]) -> None:
    assert {zone.key for zone in zones_of(number)} == zones


def test_a_mobile_number_may_be_anywhere_in_its_country() -> None:
    australian = {zone.key for zone in zones_of("+61412345678")}
    assert {"Australia/Perth", "Australia/Sydney"} <= australian
    russian = {zone.key for zone in zones_of("+79161234567")}
    assert {"Europe/Moscow", "Asia/Kamchatka"} <= russian
    assert "Asia/Almaty" not in russian


def test_a_number_that_countries_share_counts_as_the_first_ones() -> None:
    toll_free = {zone.key for zone in zones_of("+18002345678")}
    assert {"America/New_York", "Pacific/Honolulu"} <= toll_free
    assert not {"America/Toronto", "Pacific/Guam"} & toll_free


def test_a_number_of_no_country_may_be_anywhere() -> None:
    assert zones_of("+80012345678") == EVERYWHERE
    offsets = {zone.utcoffset(datetime(2026, 1, 1)) for zone in EVERYWHERE}  # noqa: DTZ001
    assert (min(offsets), max(offsets)) == (timedelta(hours=-12), timedelta(hours=14))  # type: ignore[type-var]
    week = every_day(("09:00", "20:00"))
    assert next_opening(week, zones=EVERYWHERE, since=datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_every_zone_of_every_number_is_known_here() -> None:
    for name in {zone for zones in TIMEZONE_DATA.values() for zone in zones} - {"Etc/Unknown"}:
        ZoneInfo(name)


# Whatever the hours, the zones and the moment

MINUTE = timedelta(minutes=1)
clock_times = st.integers(0, 23 * 60 + 59).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
windows = st.tuples(clock_times, clock_times | st.just("24:00")).filter(
    lambda one: one[0] != one[1]
)
days = st.lists(windows, max_size=1)
weeks = st.lists(days, min_size=7, max_size=7).map(Week.of)
zones = st.lists(
    st.sampled_from([BERLIN, NEW_YORK, KATHMANDU, LORD_HOWE, ZoneInfo("Africa/Cairo")]),
    min_size=1,
    max_size=3,
    unique=True,
)
# Around the changes of the clock in these zones, and anywhere in the year.
moments = st.one_of(
    st.sampled_from(
        [(3, 8), (3, 29), (4, 5), (4, 24), (10, 4), (10, 25), (10, 30), (11, 1)]
    ).flatmap(
        lambda day: st.integers(-36 * 60, 36 * 60).map(
            lambda minutes: datetime(2026, *day, tzinfo=UTC) + MINUTE * minutes
        )
    ),
    st.integers(0, 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + MINUTE * minutes
    ),
)


@given(week=weeks, zones=zones, since=moments)
@settings(max_examples=150, deadline=None)
def test_the_next_opening_is_the_first_open_minute(
    week: Week, zones: list[ZoneInfo], since: datetime
) -> None:
    found = next_opening(week, zones=zones, since=since)
    # Longer than that is not looked at minute by minute here.
    until = min(found or since + timedelta(days=9), since + timedelta(days=9))

    moment = since
    while moment < until:
        assert not is_open(week, zones=zones, at=moment)
        moment += MINUTE
    assert found is None or is_open(week, zones=zones, at=found)
