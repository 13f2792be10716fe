"""So many requests a minute for a key."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from agents import throttling
from agents.models import Account
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
    vars(throttling._own).clear()  # this thread's connection: have it made anew
    yield
    vars(throttling._own).clear()


@pytest.fixture
def silent_redis(settings: Settings) -> Iterator[socket.socket]:
    """It takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}"
        vars(throttling._own).clear()
        yield server
        vars(throttling._own).clear()


def test_a_redis_that_hangs_is_left_alone_for_a_while(
    account: Account, silent_redis: socket.socket
) -> None:
    api = Api(make_key(account, requests_per_minute=2))
    began = time.monotonic()
    assert [api.get(URL).status_code for _ in range(3)] == [200, 200, 429]
    assert time.monotonic() - began < throttling.BROKEN_PAUSE_SECONDS + 1

    asked = 0
    with suppress(BlockingIOError):
        while silent_redis.accept():
            asked += 1
    assert 1 <= asked <= 2


@pytest.mark.usefixtures("_redis_gone")
def test_without_redis_the_process_counts_for_itself(account: Account) -> None:
    api = Api(make_key(account, requests_per_minute=2))
    assert [api.get(URL).status_code for _ in range(3)] == [200, 200, 429]
