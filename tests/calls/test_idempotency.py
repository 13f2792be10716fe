"""`Idempotency-Key`: two requests that are one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Account, Agent
from calls import idempotency
from calls.idempotency import forget_idempotency_keys
from calls.models import Call, IdempotencyKey
from tests.factories import NUMBER, Api

URL = "/api/v1/calls/send"


@pytest.fixture
def body(agent: Agent) -> dict[str, Any]:
    return {"agentId": agent.native_id, "toNumber": NUMBER, "params": {"a": 1, "b": 2}}


def test_a_repeat_is_answered_as_the_first_was(
    api: Api, body: dict[str, Any], work: Callable[..., None]
) -> None:
    first = api.post(URL, body, Idempotency_Key="order 7")
    work()
    again = api.post(URL, {**body, "params": {"b": 2, "a": 1}}, Idempotency_Key="order 7")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Call.objects.count() == 1


def test_another_body_is_a_conflict(api: Api, body: dict[str, Any]) -> None:
    api.post(URL, body, Idempotency_Key="k")
    for change in ({"toNumber": "+14155550199"}, {"params": {"a": 2}}, {"maxDuration": 60}):
        answer = api.post(URL, {**body, **change}, Idempotency_Key="k")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert Call.objects.count() == 1


def test_a_refused_request_does_not_burn_the_key(api: Api, body: dict[str, Any]) -> None:
    assert api.post(URL, {**body, "toNumber": "no"}, Idempotency_Key="k").status_code == 400
    Account.objects.update(credits=0)
    assert api.post(URL, body, Idempotency_Key="k").status_code == 402
    Account.objects.update(credits=10)
    assert api.post(URL, body, Idempotency_Key="k").status_code == 201


def test_a_live_request_never_replays_a_test_answer(
    api: Api, test_api: Api, body: dict[str, Any]
) -> None:
    test = test_api.post(URL, body, Idempotency_Key="k").json()
    assert api.post(URL, body, Idempotency_Key="k").json()["callId"] != test["callId"]


def test_a_stranger_has_keys_of_his_own(api: Api, stranger_api: Api, body: dict[str, Any]) -> None:
    api.post(URL, body, Idempotency_Key="k")
    assert stranger_api.post(URL, body, Idempotency_Key="k").status_code == 404


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\x7f"])
def test_a_key_that_cannot_be_kept(api: Api, body: dict[str, Any], key: str) -> None:
    answer = api.post(URL, body, Idempotency_Key=key)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["Idempotency-Key"]


def test_the_longest_key(api: Api, body: dict[str, Any]) -> None:
    assert api.post(URL, body, Idempotency_Key="~" * 255).status_code == 201


def test_a_key_is_kept_for_24_hours(
    api: Api, body: dict[str, Any], clock: time_machine.Traveller
) -> None:
    first = api.post(URL, body, Idempotency_Key="k").json()
    clock.shift(timedelta(hours=23, minutes=59))
    assert api.post(URL, body, Idempotency_Key="k").json() == first
    clock.shift(timedelta(minutes=2))
    assert api.post(URL, body, Idempotency_Key="k").json()["callId"] != first["callId"]


def test_old_keys_are_forgotten(
    api: Api, body: dict[str, Any], clock: time_machine.Traveller
) -> None:
    api.post(URL, body, Idempotency_Key="old")
    clock.shift(timedelta(hours=25))
    api.post(URL, body, Idempotency_Key="new")
    assert forget_idempotency_keys(now=timezone.now()) == 1
    assert IdempotencyKey.objects.get().key == "new"


def test_old_keys_are_forgotten_some_at_a_time(
    api: Api, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "BATCH", 2)
    for key in "abcde":
        api.post(URL, body, Idempotency_Key=key)
    later = timezone.now() + timedelta(hours=25)
    with CaptureQueriesContext(connection) as queries:
        assert forget_idempotency_keys(now=later) == 5
    assert len([one for one in queries if one["sql"].startswith("DELETE")]) == 3
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_at_the_same_moment_make_one_call(api: Api, body: dict[str, Any]) -> None:
    def send(_: int) -> tuple[int, str]:
        try:
            answer = api.post(URL, body, Idempotency_Key="k")
            return answer.status_code, answer.json()["callId"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(send, range(16)))

    assert answers == {(201, Call.objects.get().native_id)}
