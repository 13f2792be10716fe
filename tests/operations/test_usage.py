"""Every answer of the API is counted, and costs the request next to nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.db.models import Sum
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Account, Agent, ApiKey, UnusualUse
from core.observing import Answered
from operations import usage
from operations.models import ApiAddress, ApiUsage
from operations.spans import Span
from tests.factories import Api, make_key

URL = "/api/v1/account"
HOUR = datetime(2026, 3, 1, 14, tzinfo=UTC)


def totals(**only: Any) -> tuple[int, ...]:
    names = ("requests", "client_errors", "server_errors", "limit_hits")
    sums = ApiUsage.objects.filter(span=Span.HOUR, **only).aggregate(**{n: Sum(n) for n in names})
    return tuple(sums[name] or 0 for name in names)


def answered(*, status: int = 200, address: str = "192.0.2.1", seconds: float = 0.01) -> Answered:
    return Answered(
        at=HOUR,
        key_id=None,
        surface="native",
        method="GET",
        route=URL,
        status=status,
        seconds=seconds,
        address=address,
    )


def test_requests_are_counted_by_key_and_kind(account: Account) -> None:
    api = Api(make_key(account, requests_per_minute=3))
    assert [api.get(path).status_code for path in (URL, URL, "/api/v1/calls/none", URL)] == [
        200,
        200,
        404,
        429,
    ]

    usage.flush()

    assert totals(api_key=ApiKey.objects.get()) == (4, 1, 0, 1)


def test_a_failure_of_ours_is_a_server_error(api: Api, agent: Agent) -> None:
    order = {"agentId": agent.native_id, "toNumber": "+14155550109"}
    assert api.post("/api/v1/calls/send", order).status_code == 500

    usage.flush()

    assert totals(api_key=ApiKey.objects.get()) == (1, 0, 1, 0)


def test_requests_without_a_recognised_key_count_too(db: None) -> None:
    assert Client().get(URL).status_code == 401
    assert Api("nonsense").get(URL).status_code == 401
    assert Client().get("/healthz").status_code == 200

    usage.flush()

    assert totals(api_key=None) == (2, 2, 0, 0)


def test_the_surfaces_are_told_apart(api: Api) -> None:
    api.get(URL)
    api.post("/api/zapier/auth/test", {})

    usage.flush()

    assert totals(surface="native")[0] == 1
    assert totals(surface="zapier")[0] == 1


def test_flushes_add_up_at_every_span(api: Api) -> None:
    with time_machine.travel(HOUR, tick=False) as clock:
        for at in (HOUR, HOUR.replace(minute=59), HOUR.replace(hour=15), HOUR.replace(day=2)):
            clock.move_to(at)
            api.get(URL)
            usage.flush()
            usage.flush()

    def counted(span: Span) -> list[tuple[datetime, int]]:
        rows = ApiUsage.objects.filter(span=span).values("at").annotate(all=Sum("requests"))
        return [(row["at"], row["all"]) for row in rows.order_by("at")]

    midnight = HOUR.replace(hour=0)
    assert counted(Span.DAY) == [(midnight, 3), (midnight.replace(day=2), 1)]
    assert counted(Span.HOUR) == [
        (HOUR, 2),
        (HOUR.replace(hour=15), 1),
        (HOUR.replace(day=2), 1),
    ]
    assert len(counted(Span.FIVE_MINUTES)) == 4


def test_a_request_writes_nothing_of_it(api: Api) -> None:
    api.get(URL)
    with CaptureQueriesContext(connection) as queries:
        api.get(URL)
    assert not [query for query in queries if "operations_" in query["sql"]]


def test_addresses_are_kept_up_to_a_bound(api: Api) -> None:
    for _ in range(2):
        api.get(URL)
    for number in range(usage.ADDRESSES_KEPT + 9):
        usage.record(answered(address=f"192.0.2.{number}"))
    usage.record(answered(address="fe80::1%eth0"))
    usage.record(answered(address=""))

    usage.flush()

    assert ApiAddress.objects.get(api_key__isnull=False).requests == 2
    assert ApiAddress.objects.filter(api_key=None).count() == usage.ADDRESSES_KEPT
    assert totals(api_key=None)[0] == usage.ADDRESSES_KEPT + 11


def test_a_link_local_address_can_be_written(db: None) -> None:
    usage.record(answered(address="fe80::1%eth0"))
    usage.flush()
    assert ApiAddress.objects.get().address == "fe80::1"


def test_counts_of_a_key_that_is_gone_are_no_error(api: Api, account: Account) -> None:
    api.get(URL)
    usage.record(answered())
    ApiKey.objects.all().delete()

    usage.flush()

    assert totals(api_key=None)[0] == 1


def test_what_could_not_be_written_waits(db: None) -> None:
    buffer = usage.Buffer()
    buffer.add(answered())
    written: list[int] = []

    with pytest.raises(DatabaseError):
        buffer.flush(_broken)
    buffer.add(answered())
    buffer.flush(lambda counts: written.extend(sums[0] for sums in counts.cells.values()))
    buffer.flush(lambda counts: written.append(0))

    assert written == [2]


def _broken(counts: usage.Counts) -> None:
    raise DatabaseError


def test_no_count_is_lost_between_threads() -> None:
    buffer, written = usage.Buffer(), 0

    def write(counts: usage.Counts) -> None:
        nonlocal written
        written += sum(sums[0] for sums in counts.cells.values())

    def count(_: int) -> None:
        for _ in range(1000):
            buffer.add(answered())

    with ThreadPoolExecutor(9) as threads:
        counting = threads.map(count, range(8))
        for _ in range(50):
            buffer.flush(write)
        list(counting)
    buffer.flush(write)

    assert written == 8000


def test_observers_cannot_break_an_answer(
    api: Api, live_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(answered: Answered) -> None:
        raise RuntimeError

    monkeypatch.setattr("core.observing._observers", [fail])
    assert api.get(URL).status_code == 200


def test_a_key_that_is_used_ten_times_as_much_is_marked(
    api: Api, clock: time_machine.Traveller
) -> None:
    key = ApiKey.objects.get()
    for day in range(4):
        clock.move_to(HOUR + timedelta(days=day))
        for _ in range(20 if day < 3 else 200):
            usage.record(replace(answered(), at=timezone.now(), key_id=key.id))
        usage.flush()
        assert UnusualUse.objects.filter(api_key=key).exists() is (day == 3)
