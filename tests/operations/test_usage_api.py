"""`GET usage`: an account's own keys, hour by hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from agents.models import Account, ApiKey
from operations import usage
from tests.factories import Api, make_key

URL = "/api/v1/usage"
AT = datetime(2026, 3, 1, 14, 20, tzinfo=UTC)
MARCH = "?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"


def use(key: str, *, at: datetime, path: str = "/api/v1/account", times: int = 1) -> None:
    with time_machine.travel(at, tick=False):
        for _ in range(times):
            Api(key).get(path)
    usage.flush()


def results(api: Api, query: str = MARCH) -> Any:
    answer = api.get(URL + query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_usage_is_by_key_and_hour(account: Account, api: Api, test_key: str) -> None:
    limited = make_key(account, requests_per_minute=2)
    use(limited, at=AT + timedelta(hours=1), path="/api/v1/calls/none")
    use(limited, at=AT, times=3)
    use(test_key, at=AT, path="/api/zapier/none")
    use(test_key, at=AT)

    found = results(api)

    key, tester = ApiKey.objects.get(requests_per_minute=2), ApiKey.objects.get(mode="test")
    later = {
        "hour": "2026-03-01T15:00:00Z",
        "keyId": str(key.id),
        "keyName": "live key",
        "mode": "live",
        "requests": 1,
        "errors": 1,
        "limitHits": 0,
    }
    earlier = {**later, "hour": "2026-03-01T14:00:00Z", "requests": 3, "errors": 0, "limitHits": 2}
    assert found[0] == later
    assert earlier in found[1:]
    by_tester = [row for row in found if row["keyId"] == str(tester.id)]
    assert [(row["mode"], row["requests"], row["errors"]) for row in by_tester] == [("test", 1, 0)]


def test_a_stranger_sees_nothing_of_it(stranger_api: Api, live_key: str) -> None:
    use(live_key, at=AT)
    use("nonsense", at=AT)
    assert results(stranger_api) == []


def test_pages_follow_each_other(account: Account, api: Api) -> None:
    for key in (make_key(account), make_key(account)):
        for hour in range(3):
            use(key, at=AT + timedelta(hours=hour))
    rows, url = [], f"{URL}{MARCH}&limit=2"
    while url:
        page = api.get(url).json()
        rows += page["results"]
        url = (page["next"] or "").removeprefix("http://testserver")

    assert len(rows) == len({(row["hour"], row["keyId"]) for row in rows}) == 6
    assert [row["hour"] for row in rows] == sorted((row["hour"] for row in rows), reverse=True)


def test_the_last_day_is_meant_where_nothing_is_said(api: Api, live_key: str) -> None:
    now = timezone.now()
    use(live_key, at=now - timedelta(hours=2))
    use(live_key, at=now - timedelta(hours=30))
    assert len(results(api, "")) == 1


def test_the_end_is_left_out_and_the_hour_of_the_begin_is_not(api: Api, live_key: str) -> None:
    use(live_key, at=AT)
    use(live_key, at=AT + timedelta(hours=1))
    found = results(api, "?from=2026-03-01T14:40:00Z&to=2026-03-01T15:00:00Z")
    assert [row["hour"] for row in found] == ["2026-03-01T14:00:00Z"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "from"),
        ("?from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:00Z", "from"),
        ("?from=2026-01-01T00:00:00Z&to=2026-04-01T00:00:01Z", "from"),
        ("?from=yesterday", "from"),
        ("?to=1", "to"),
        ("?cursor=zzz", "cursor"),
    ],
)
def test_what_cannot_be_is_said(api: Api, query: str, field: str) -> None:
    answer = api.get(URL + query)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_ninety_days_can_be_asked_for(api: Api) -> None:
    assert results(api, "?from=2026-01-01T00:00:00Z&to=2026-04-01T00:00:00Z") == []


def test_a_key_is_needed(db: None) -> None:
    assert Api("nonsense").get(URL).status_code == 401
