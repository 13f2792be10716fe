"""Which keys open the API, and how a wrong one is answered."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from agents import keys
from agents.models import Account, ApiKey
from agents.services import revoke_key
from tests.factories import Api, make_key

URL = "/api/v1/account"
MISSING = {"error": {"code": "missing_api_key", "message": "Missing API key"}}
INVALID = {"error": {"code": "invalid_api_key", "message": "Invalid API key"}}


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization", "authorization-lower"])
def test_either_header_opens(live_key: str, header: str) -> None:
    headers = {
        "X-API-Key": {"X-API-Key": live_key},
        "Authorization": {"Authorization": f"Bearer {live_key}"},
        "authorization-lower": {"Authorization": f"bearer  {live_key}"},
    }[header]
    assert Client().get(URL, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": " "}, {"Authorization": "Basic abc"}])
def test_no_key_is_missing(db: None, headers: dict[str, str]) -> None:
    answer = Client().get(URL, headers=headers)
    assert (answer.status_code, answer.json()) == (401, MISSING)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert "RateLimit-Limit" not in answer


def test_unknown_revoked_and_expired_keys_look_the_same(account: Account) -> None:
    revoked, expired = make_key(account), make_key(account, expires_at=timezone.now())
    revoke_key(ApiKey.objects.get(hint=keys.hint(revoked)))
    for key in (keys.new_key("live"), "nonsense", revoked, expired):
        answer = Api(key).get(URL)
        assert (answer.status_code, answer.json()) == (401, INVALID)
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_key_works_until_it_expires(account: Account) -> None:
    key = make_key(account, expires_at=timezone.now() + timedelta(minutes=1))
    assert Api(key).get(URL).status_code == 200


def test_bad_keys_are_limited_by_address_and_good_ones_never(live_key: str) -> None:
    with time_machine.travel(timezone.now(), tick=False):  # no window ends meanwhile
        statuses = [Api("nonsense").get(URL).status_code for _ in range(61)]
        refused = Api("nonsense").get(URL)
    assert statuses == [401] * 60 + [429]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert Api(live_key).get(URL).status_code == 200


def test_a_key_remembers_that_it_was_used(api: Api) -> None:
    assert ApiKey.objects.get().last_used_at is None
    api.get(URL)
    assert ApiKey.objects.get().last_used_at is not None
