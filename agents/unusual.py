"""Use of a key that is not like it: from somewhere new, or far more of it than on other days.

Judged once for each flush of the counters, never for a request.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.models import ApiKey, KeyHabit, UnusualUse
from agents.ranges import site_of

# In use for a while: since then its addresses are known, and so many days it has to compare with.
SETTLED_AFTER = timedelta(days=3)
LEAST_DAYS = 3
MOST_DAYS = 7
JUMP = 10
# Ten times next to nothing is still next to nothing.
LEAST_REQUESTS = 100
SITES_KEPT = 500
LINES_KEPT = 50


# What is judged: pure functions ---------------------------------------------------------------


def usual_peak(peaks: Mapping[str, int], *, day: str) -> int | None:
    """The busiest hour of a usual day: the median over the last days of use before `day`.

    `peaks` are the busiest hours by day, as 2026-11-22. None while there are too few to compare.
    """
    days = sorted(one for one in peaks if one < day)[-MOST_DAYS:]
    return round(median(peaks[one] for one in days)) if len(days) >= LEAST_DAYS else None


def jumps(*, before: int, after: int, usual: int | None) -> bool:
    """Whether an hour that had `before` requests became a jump when it had `after`."""
    if usual is None:
        return False
    limit = max(JUMP * usual, LEAST_REQUESTS)
    return before < limit <= after


def new_sites(addresses: Iterable[str], *, known: Mapping[str, str]) -> list[str]:
    """The /24s and /48s of `addresses` that are not `known`, in order."""
    return sorted({site_of(address) for address in addresses if address} - known.keys())


# What is kept ---------------------------------------------------------------------------------


@transaction.atomic
def note_use(key_id: UUID, *, hour: datetime, requests: int, addresses: Iterable[str]) -> None:
    """Learn how a key is used, and mark what is not like it.

    `requests` are those since the last note, within the hour that begins at `hour` (UTC);
    `addresses` are those they came from. Notes of many keys in one transaction come in the order
    of the keys' ids, or they could wait for each other.
    """
    key = ApiKey.objects.filter(id=key_id).first()
    if key is None:
        return
    KeyHabit.objects.get_or_create(api_key=key, defaults={"since": hour, "hour": hour})
    habit = KeyHabit.objects.select_for_update().get(api_key=key)
    if hour >= habit.hour:
        _note_volume(key, habit, hour=hour, requests=requests)
    _note_sites(key, habit, hour=hour, addresses=addresses)
    habit.save()


def _note_volume(key: ApiKey, habit: KeyHabit, *, hour: datetime, requests: int) -> None:
    day = hour.date().isoformat()
    before = habit.requests if hour == habit.hour else 0
    habit.hour, habit.requests = hour, before + requests
    usual = usual_peak(habit.peaks, day=day)
    if jumps(before=before, after=habit.requests, usual=usual):
        mark(
            key,
            kind=UnusualUse.Kind.VOLUME,
            line=f"{hour:%-d %b %Y, %H:%M} UTC: {habit.requests:,} requests in an hour; "
            f"the busiest hour of a usual day has {usual:,}",
        )
    peaks = {**habit.peaks, day: max(habit.peaks.get(day, 0), habit.requests)}
    habit.peaks = dict(sorted(peaks.items())[-(MOST_DAYS + 1) :])


def _note_sites(key: ApiKey, habit: KeyHabit, *, hour: datetime, addresses: Iterable[str]) -> None:
    day, seen = hour.date().isoformat(), [address for address in addresses if address]
    # Where a key may be used from anywhere in some ranges, all of them are expected.
    if hour - habit.since >= SETTLED_AFTER and not key.allowed_ranges:
        for site in new_sites(seen, known=habit.sites):
            line = f"{hour:%-d %b %Y, %H:%M} UTC: first request from {site}"
            mark(key, kind=UnusualUse.Kind.NEW_RANGE, line=line)
    sites = {**habit.sites, **{site_of(address): day for address in seen}}
    newest = sorted(sites.items(), key=lambda one: one[1])[-SITES_KEPT:]
    habit.sites = dict(newest)


def mark(key: ApiKey, *, kind: str, line: str) -> None:
    """One open mark of a kind a key: what comes on top until it is dismissed is a line in it."""
    now = timezone.now()
    found, is_new = UnusualUse.objects.get_or_create(
        api_key=key, kind=kind, dismissed_at=None, defaults={"detail": line, "last_at": now}
    )
    if is_new:
        return
    found.detail = "\n".join([*found.detail.split("\n"), line][-LINES_KEPT:])
    found.last_at, found.times = now, found.times + 1
    found.save(update_fields=["detail", "last_at", "times"])


def dismiss(key: ApiKey, *, actor: str) -> int:
    """How many open marks an operator has now looked at."""
    marks = UnusualUse.objects.open().filter(api_key=key)
    return marks.update(dismissed_at=timezone.now(), dismissed_by=actor)


def inherit_habit(successor: ApiKey, *, of: ApiKey) -> None:
    """A rotated key is used as the old one was, by the same programs."""
    habit = KeyHabit.objects.filter(api_key=of).first()
    if habit:
        habit.pk, habit.api_key, habit.requests = None, successor, 0
        habit.save(force_insert=True)
