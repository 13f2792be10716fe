"""What a key was used for, on its page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Account, ApiKey
from core.observing import Answered
from operations import usage
from operations.key_page import ADDRESSES_SHOWN
from tests.factories import Api, make_key
from tests.operator import Operator

NOW = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


@pytest.fixture
def key(account: Account, live_key: str) -> ApiKey:
    return ApiKey.objects.get()


def answer(
    key: ApiKey | None,
    *,
    at: datetime = NOW,
    status: int = 200,
    times: int = 1,
    address: str = "192.0.2.1",
) -> None:
    one = Answered(
        at=at,
        key_id=key.id if key else None,
        surface="native",
        method="GET",
        route="/api/v1/account",
        status=status,
        seconds=0.01,
        address=address,
    )
    for _ in range(times):
        usage.record(one)
    usage.flush()


def read(operator: Operator, key: ApiKey, **query: str) -> str:
    return operator.read(f"agents/apikey/{key.id}/change/", **query)


def rows_of(page: str, table: str) -> list[list[str]]:
    """The cells of the table under that heading."""
    body = page[page.index(f"<h2>{table}</h2>") :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    return [
        [cell.split(">", 1)[1].split("</td>")[0] for cell in row.split("<td")[1:]]
        for row in body.split("<tr>")[1:]
    ]


def test_each_hour_has_its_errors_and_limit_hits(operator: Operator, key: ApiKey) -> None:
    answer(key, times=1200)
    answer(key, status=404, times=2)
    answer(key, status=500)
    answer(key, status=429, times=5)
    answer(key, at=NOW - timedelta(hours=3), times=7)
    # The one before the 24 hours that are shown, and somebody else's.
    answer(key, at=NOW - timedelta(hours=24), times=90)
    answer(None, times=90)

    page = read(operator, key)

    none = '<span class="od-none">—</span>'
    assert rows_of(page, "By hour") == [
        ["11 Mar 2026, 14:00", "1,208", "3", "5"],
        ["11 Mar 2026, 11:00", "7", none, none],
    ]
    assert "<dd>1,215</dd>" in page
    assert "<dd>3 (0.2\u00a0%)</dd>" in page
    assert "Over the limit" in page


@pytest.mark.parametrize(
    ("range_", "table", "lines"),
    [
        ("day", "By hour", 1),
        ("week", "By six hours", 2),
        ("month", "By day", 3),
        ("all", "By hour", 1),
    ],
)
def test_ranges_reach_back(
    operator: Operator, key: ApiKey, range_: str, table: str, lines: int
) -> None:
    for days in (0, 3, 20, 40):
        answer(key, at=NOW - timedelta(days=days))

    assert len(rows_of(read(operator, key, range=range_), table)) == lines


def test_addresses_are_listed_the_busiest_first(operator: Operator, key: ApiKey) -> None:
    answer(key, at=NOW - timedelta(hours=2), address="2001:db8::7", times=3)
    answer(key, address="192.0.2.9", times=2)
    answer(key, address="2001:db8::7")
    for number in range(ADDRESSES_SHOWN):
        answer(key, address=f"198.51.100.{number}")
    answer(None, address="203.0.113.1", times=50)

    page = read(operator, key)

    listed = rows_of(page, "By address")
    assert listed[:2] == [
        ["2001:db8::7", "4", "11 Mar 2026, 14:00"],
        ["192.0.2.9", "2", "11 Mar 2026, 14:00"],
    ]
    assert len(listed) == ADDRESSES_SHOWN
    assert "and 2 more" in page
    assert "203.0.113.1" not in page


def test_a_key_that_was_not_used_says_so(operator: Operator, key: ApiKey) -> None:
    page = read(operator, key)

    assert "It was not used in the last 24 hours." in page
    assert "<canvas" not in page


def test_requests_over_http_show_up(operator: Operator, account: Account) -> None:
    api = Api(make_key(account, name="Counted", requests_per_minute=2))
    for path in ("/api/v1/account", "/api/v1/calls/none", "/api/v1/account"):
        api.get(path)
    Client().get("/api/v1/account")
    usage.flush()

    page = read(operator, ApiKey.objects.get(name="Counted"))

    assert rows_of(page, "By hour")[0][1:] == ["3", "1", "1"]
    assert rows_of(page, "By address")[0][:2] == ["127.0.0.1", "3"]


def test_another_accounts_operator_sees_nothing_of_it(key: ApiKey, stranger: Account) -> None:
    answer(key)
    limited = Operator(username="sam", role="Support", accounts=[stranger])
    page = limited.get(f"agents/apikey/{key.id}/change/", range="day")
    assert page.status_code == 302
    assert b"By address" not in limited.browser.get(page.url).content


def test_the_number_of_queries_does_not_grow(operator: Operator, key: ApiKey) -> None:
    def queries() -> int:
        read(operator, key)
        with CaptureQueriesContext(connection) as captured:
            read(operator, key)
        return len(captured)

    answer(key)
    few = queries()
    for hours in range(12):
        answer(key, at=NOW - timedelta(hours=hours), address=f"192.0.2.{hours}")

    assert queries() == few
