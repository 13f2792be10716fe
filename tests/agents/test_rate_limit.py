"""So many requests a minute for a key."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from agents import throttling
from agents.models import Account, ApiKey
from core.secrets import digest
from tests.factories import Api, make_key

URL = "/api/v1/account"


def test_the_61st_request_of_a_live_key_is_refused(api: Api) -> None:
    answers = [api.get(URL) for _ in range(60)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer["RateLimit-Remaining"] for answer in answers] == [
        str(left) for left in range(59, -1, -1)
    ]

    refused = api.get(URL)

    assert refused.status_code == 429
    seconds = int(refused["Retry-After"])
    assert 1 <= seconds <= 60
    error = refused.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"] == f"Too many requests. Please try again in {seconds} seconds."
    assert refused["RateLimit-Reset"] == str(seconds)
    assert (refused["RateLimit-Limit"], refused["RateLimit-Remaining"]) == ("60", "0")
    reset_at = datetime.strptime(error["reset_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(reset_at - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=2)


def test_test_keys_have_600_and_a_key_may_have_its_own(account: Account) -> None:
    assert Api(make_key(account, mode="test")).get(URL)["RateLimit-Limit"] == "600"
    api = Api(make_key(account, requests_per_minute=2))
    assert [api.get(URL).status_code for _ in range(3)] == [200, 200, 429]


def test_keys_do_not_share_a_window(account: Account) -> None:
    busy, idle = (Api(make_key(account, requests_per_minute=1)) for _ in range(2))
    assert [busy.get(URL).status_code for _ in range(2)] == [200, 429]
    assert idle.get(URL).status_code == 200


def test_errors_carry_the_headers_too(api: Api) -> None:
    assert api.get("/api/v1/calls/nonsense")["RateLimit-Remaining"] == "59"


@pytest.fixture
def _redis_gone(settings: Settings) -> Iterator[None]:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    vars(throttling._of_thread).clear()  # this thread's connection: have it made anew
    yield
    vars(throttling._of_thread).clear()


@pytest.fixture
def silent_redis(settings: Settings) -> Iterator[socket.socket]:
    """It takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}"
        vars(throttling._of_thread).clear()
        yield server
        vars(throttling._of_thread).clear()


def test_a_redis_that_hangs_keeps_threads_once_and_then_one_now_and_then(
    account: Account, silent_redis: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "BROKEN_PAUSE_SECONDS", 2.0)
    key = ApiKey.objects.get(digest=digest(make_key(account, requests_per_minute=20)))

    with ThreadPoolExecutor(12) as threads:
        began = time.monotonic()
        counts = [one.count for one in threads.map(throttling.count_request, [key] * 12)]
        assert sorted(counts) == list(range(1, 13))
        # Two tries of half a second, all of them at once.
        assert time.monotonic() - began < 2

        assert sorted(_seconds(threads, key))[-1] < 0.3
        time.sleep(2.1)
        waits = sorted(_seconds(threads, key))
        assert waits[-1] > 0.5  # one asks again
        assert waits[-2] < 0.3


def _seconds(threads: ThreadPoolExecutor, key: ApiKey) -> list[float]:
    """How long each of 12 requests at once waits for its count."""

    def count(_: int) -> float:
        began = time.monotonic()
        throttling.count_request(key)
        return time.monotonic() - began

    return list(threads.map(count, range(12)))


@pytest.mark.usefixtures("_redis_gone")
def test_without_redis_the_process_counts_for_itself(account: Account) -> None:
    api = Api(make_key(account, requests_per_minute=2))
    assert [api.get(URL).status_code for _ in range(3)] == [200, 200, 429]
