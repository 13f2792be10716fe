"""A key that is used in a way which is not like it is marked, until an operator has looked."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from agents.models import Account, ApiKey, KeyHabit, UnusualUse
from agents.services import create_key, rotate_key
from agents.unusual import jumps, new_sites, note_use, usual_peak
from tests.operator import Operator

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 2, 9, tzinfo=UTC)
OFFICE = "203.0.113.7"


@pytest.fixture
def key(account: Account) -> ApiKey:
    return create_key(account, name="CRM", mode="live")[0]


def use(
    key: ApiKey, at: datetime, *, requests: int = 20, addresses: Iterable[str] = (OFFICE,)
) -> None:
    note_use(key.id, hour=at, requests=requests, addresses=addresses)


def use_daily(key: ApiKey, *, days: int = 7, requests: int = 20) -> datetime:
    """So many days of use; the same hour of the next day."""
    for day in range(days):
        use(key, MONDAY + day * DAY, requests=requests)
    return MONDAY + days * DAY


def kinds() -> list[str]:
    return list(UnusualUse.objects.values_list("kind", flat=True))


# What is judged


@pytest.mark.parametrize(
    ("peaks", "usual"),
    [
        ({}, None),
        ({"2026-11-01": 5, "2026-11-02": 5}, None),
        ({"2026-11-01": 5, "2026-11-02": 7, "2026-11-03": 900}, 7),
        ({"2026-11-01": 5, "2026-11-02": 7, "2026-11-10": 9}, None),  # today is not its past
        ({f"2026-11-0{n}": n for n in range(1, 10)}, 6),  # the last seven days of use
    ],
)
def test_the_usual_peak(peaks: dict[str, int], usual: int | None) -> None:
    assert usual_peak(peaks, day="2026-11-10") == usual


@pytest.mark.parametrize(
    ("before", "after", "usual", "is_jump"),
    [
        (0, 200, 20, True),
        (0, 199, 20, False),
        (199, 200, 20, True),
        (200, 300, 20, False),  # marked already
        (0, 99, 1, False),  # ten times next to nothing
        (0, 100, 1, True),
        (0, 100_000, None, False),
    ],
)
def test_a_jump_is_tenfold(before: int, after: int, usual: int | None, is_jump: bool) -> None:
    assert jumps(before=before, after=after, usual=usual) == is_jump


def test_a_site_is_a_24_or_a_48() -> None:
    known = {"203.0.113.0/24": "", "2001:db8:1::/48": ""}
    near = ["203.0.113.200", "2001:db8:1:ffff::1", ""]
    far = ["203.0.114.1", "203.0.114.2", "2001:db8:2::1"]
    assert new_sites([*near, *far], known=known) == ["2001:db8:2::/48", "203.0.114.0/24"]


# What is marked


def test_a_new_range_is_marked_once_the_key_has_settled(key: ApiKey) -> None:
    use(key, MONDAY)
    use(key, MONDAY + 2 * DAY, addresses=["198.51.100.1"])
    assert kinds() == []

    use(key, MONDAY + 3 * DAY, addresses=["192.0.2.1", "192.0.2.2", OFFICE, "198.51.100.9"])

    marked = UnusualUse.objects.get()
    assert (marked.kind, marked.times) == ("new_range", 1)
    assert marked.lines == ["5 Nov 2026, 09:00 UTC: first request from 192.0.2.0/24"]
    use(key, MONDAY + 3 * DAY, addresses=["192.0.2.3"])
    assert UnusualUse.objects.get().times == 1


def test_further_ranges_are_lines_of_the_open_mark(key: ApiKey) -> None:
    at = use_daily(key)
    use(key, at, addresses=["192.0.2.1"])
    use(key, at + HOUR, addresses=["2001:db8::1"])
    marked = UnusualUse.objects.get()
    assert marked.times == 2
    assert "2001:db8::/48" in marked.lines[1]


def test_ranges_that_an_operator_allowed_are_expected(key: ApiKey) -> None:
    ApiKey.objects.update(allowed_ranges=["10.0.0.0/8"])
    use_daily(key)
    use(key, MONDAY + 9 * DAY, addresses=["10.77.0.1"])
    assert kinds() == []


def test_a_tenfold_hour_is_marked_once(key: ApiKey) -> None:
    at = use_daily(key, requests=20)

    for _ in range(5):
        use(key, at, requests=50)

    marked = UnusualUse.objects.get()
    assert (marked.kind, marked.times) == ("volume", 1)
    assert marked.lines == [
        "9 Nov 2026, 09:00 UTC: 200 requests in an hour; the busiest hour of a usual day has 20"
    ]


def test_an_hour_begins_afresh(key: ApiKey) -> None:
    at = use_daily(key, requests=20)
    for hour in range(5):
        use(key, at + hour * HOUR, requests=150)
    assert kinds() == []


def test_a_nightly_batch_is_usual(key: ApiKey) -> None:
    for day in range(5):
        for hour in range(9, 18):
            use(key, MONDAY + day * DAY + (hour - 9) * HOUR, requests=5)
        use(key, MONDAY + day * DAY + 14 * HOUR, requests=2_000)
    assert kinds() == []


def test_a_late_note_of_an_hour_that_is_over_counts_for_no_other(key: ApiKey) -> None:
    at = use_daily(key, requests=20)
    use(key, at + HOUR, requests=150)
    use(key, at, requests=150)
    assert kinds() == []
    assert KeyHabit.objects.get().requests == 150


def test_what_is_kept_stays_small(key: ApiKey) -> None:
    for day in range(30):
        addresses = [f"10.{day}.{n}.1" for n in range(40)]
        use(key, MONDAY + day * DAY, addresses=addresses)
    habit, marked = KeyHabit.objects.get(), UnusualUse.objects.get()
    assert (len(habit.sites), len(habit.peaks), len(marked.lines)) == (500, 8, 50)


def test_a_key_that_is_gone_is_no_error(key: ApiKey) -> None:
    key_id = key.id
    key.delete()
    note_use(key_id, hour=MONDAY, requests=1, addresses=[])
    assert not KeyHabit.objects.exists()


def test_a_successor_is_judged_by_its_predecessors_habit(key: ApiKey) -> None:
    at = use_daily(key)
    successor, _ = rotate_key(key, overlap=DAY)

    use(successor, at)
    assert kinds() == []
    use(successor, at, addresses=["192.0.2.1"])

    assert UnusualUse.objects.get().api_key == successor


@pytest.mark.django_db(transaction=True)
def test_notes_of_several_processes_add_up(key: ApiKey) -> None:
    def note() -> None:
        try:
            for _ in range(5):
                use(key, MONDAY, requests=1)
        finally:
            connection.close()

    threads = [Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert KeyHabit.objects.get().requests == 20


# What operators see


def test_a_mark_is_shown_and_dismissed(key: ApiKey) -> None:
    operator, path = Operator(), f"agents/apikey/{key.id}"
    assert f"/admin/{path}/dismiss/" not in operator.read(f"{path}/change/")
    at = use_daily(key)
    use(key, at, addresses=["192.0.2.1"])

    assert "192.0.2.0/24" in operator.read(f"{path}/change/")
    assert str(key.id) in operator.read("agents/apikey/", use="unusual")
    operator.read(f"{path}/dismiss/")
    operator.post(f"{path}/dismiss/")

    marked = UnusualUse.objects.get()
    assert (marked.dismissed_by, marked.dismissed_at is not None) == ("olivia", True)
    assert "dismissed by olivia" in operator.read(f"{path}/change/")
    assert str(key.id) not in operator.read("agents/apikey/", use="unusual")
    entry = LogEntry.objects.get(object_id=key.id)
    assert "dismissed" in entry.change_message
    assert operator.post(f"{path}/dismiss/").status_code == 403

    use(key, at, addresses=["192.0.2.1"])
    assert UnusualUse.objects.count() == 1
    use(key, at, addresses=["198.51.100.1"])
    assert UnusualUse.objects.open().count() == 1
