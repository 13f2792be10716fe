"""Calling hours: weekly windows on the callee's clock, as absolute instants.

An instant is open when the clock on the wall of every zone shows a time within a window. So one
that a change to summer time swallows stays shut, and one in an hour that comes twice opens twice.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Self
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
# A window of once a week may fall into the gap of a change to summer time: then it is the next one.
LOOKS_AHEAD = timedelta(days=15)

# Minutes of a day, the end excluded. Windows over midnight end after DAY_MINUTES.
Window = tuple[int, int]


@dataclass(frozen=True)
class Week:
    """The windows that begin on each day, Monday first."""

    days: tuple[tuple[Window, ...], ...]

    @classmethod
    def of(cls, days: Sequence[Sequence[Sequence[str]]]) -> Self:
        """From seven lists of `["09:00", "20:00"]` pairs; one that ends before it begins goes over
        midnight. Raises ValueError, with a sentence for people, for what is none."""
        if len(days) != len(DAY_NAMES):
            raise ValueError("Hours are given for seven days")
        return cls(tuple(_windows(pairs) for pairs in days))

    def is_open(self, local: datetime) -> bool:
        """Whether the clock time `local` is within a window."""
        minute = local.hour * 60 + local.minute
        today, yesterday = self.days[local.weekday()], self.days[local.weekday() - 1]
        return any(start <= minute < end for start, end in today) or any(
            minute + DAY_MINUTES < end for _, end in yesterday
        )


def is_open(week: Week, *, zones: Iterable[ZoneInfo], at: datetime) -> bool:
    """Whether it is open in all of `zones` at once."""
    return all(week.is_open(at.astimezone(zone)) for zone in zones)


def next_opening(week: Week, *, zones: Sequence[ZoneInfo], since: datetime) -> datetime | None:
    """`since` if it is open then, else the first instant (UTC) from which it is; None for never."""
    if is_open(week, zones=zones, at=since):
        return since
    # All are open from when the last of them opens, so every opening of each is a candidate.
    openings = sorted({one for zone in zones for one in _openings(week, zone=zone, since=since)})
    return next((at for at in openings if is_open(week, zones=zones, at=at)), None)


def day_start(zone: ZoneInfo, *, at: datetime, days_later: int = 0) -> datetime:
    """The first instant (UTC) of the local day of `at`, or of a later one."""
    day = at.astimezone(zone).date() + timedelta(days=days_later)
    # Where midnight falls into a gap, the clock before it says when the gap begins: fold=0.
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _openings(week: Week, *, zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    """Instants from `since` on, among them all at which it opens in `zone`."""
    for day in range(LOOKS_AHEAD.days):
        start = day_start(zone, at=since, days_later=day)
        end = day_start(zone, at=since, days_later=day + 1)
        for at in _begins(week, zone=zone, day=start.astimezone(zone)):
            if at > since:
                yield at
        if start.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
            yield max(_clock_change(zone, between=start, and_=end), since)


def _begins(week: Week, *, zone: ZoneInfo, day: datetime) -> Iterator[datetime]:
    """When the day's windows begin: twice in an hour that comes twice."""
    for start, _ in week.days[day.weekday()]:
        begin = datetime.combine(day.date(), time(*divmod(start, 60)), tzinfo=zone)
        yield begin.astimezone(UTC)
        yield begin.replace(fold=1).astimezone(UTC)
    # One from the day before may go on.
    yield day.astimezone(UTC)


def _clock_change(zone: ZoneInfo, *, between: datetime, and_: datetime) -> datetime:
    """The instant at which the zone's offset changes, to the second."""
    before, after = between, and_
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before).total_seconds() // 2)
        is_before = middle.astimezone(zone).utcoffset() == between.astimezone(zone).utcoffset()
        before, after = (middle, after) if is_before else (before, middle)
    return after


def _windows(pairs: Sequence[Sequence[str]]) -> tuple[Window, ...]:
    windows = sorted(_window(*pair) for pair in pairs)
    for (_, end), (start, _) in pairwise(windows):
        if start < end:
            raise ValueError("Two windows of a day overlap")
    return tuple(windows)


def _window(start: str, end: str) -> Window:
    begins, ends = _minute(start), _minute(end)
    if begins in (ends, DAY_MINUTES):
        raise ValueError(f"{start}-{end} is no time at all")
    return begins, ends if ends > begins else ends + DAY_MINUTES


def _minute(text: str) -> int:
    if not CLOCK_TIME.fullmatch(text):
        raise ValueError(f"{text} is no time: write it as 09:00, up to 24:00")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


# As people write them -----------------------------------------------------------------------------

WRITTEN = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?\s*[-\u2013]\s*([0-9]{1,2})(?::([0-9]{2}))?")


def read_windows(text: str) -> list[list[str]]:
    """The pairs in `9-12, 13:00-20:00`. Raises ValueError, with a sentence for people."""
    pairs = [_pair(part.strip()) for part in text.split(",") if part.strip()]
    _windows(pairs)
    return sorted(pairs)


def write_windows(pairs: Sequence[Sequence[str]]) -> str:
    return ", ".join("-".join(pair) for pair in pairs)


def _pair(text: str) -> list[str]:
    found = WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(f"{text} is no window: write it as 09:00-20:00")
    from_hour, from_minute, to_hour, to_minute = (part or "00" for part in found.groups())
    return [f"{from_hour:0>2}:{from_minute}", f"{to_hour:0>2}:{to_minute}"]
