"""A key is replaced while the programs that use it go on."""

import re
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.utils import timezone

from agents.models import Account, ApiKey
from agents.services import create_key, revoke_key, rotate_key
from core.errors import Conflict
from tests.factories import Api
from tests.operator import Operator

URL = "/api/v1/account"


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def opens(key: str) -> bool:
    return bool(Api(key).get(URL).status_code == 200)


def shown_key(answer: Any) -> str:
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    found = re.search(r'id="secret" type="text" value="([^"]+)"', answer.content.decode())
    assert found, answer.content.decode()
    return found[1]


@pytest.mark.parametrize(
    ("overlap", "hours"), [("0", 0), ("1", 1), ("24", 24), ("168", 168)], ids=str
)
def test_both_keys_open_during_the_overlap(
    operator: Operator,
    account: Account,
    clock: time_machine.Traveller,
    overlap: str,
    hours: int,
) -> None:
    old, old_key = create_key(account, name="CRM", mode="test")

    new_key = shown_key(operator.post(f"agents/apikey/{old.id}/rotate/", overlap=overlap))

    assert opens(new_key)
    assert opens(old_key) == bool(hours)
    if hours:
        clock.shift(timedelta(hours=hours) - timedelta(seconds=30))
        assert opens(old_key)
        clock.shift(timedelta(seconds=31))
        assert not opens(old_key)
    assert opens(new_key)


def test_a_day_is_what_is_proposed(operator: Operator, account: Account) -> None:
    old, _ = create_key(account, name="CRM", mode="test")
    page = operator.read(f"agents/apikey/{old.id}/rotate/")
    assert re.search(r'<option value="24" selected>\s*for 24 hours', page)
    assert not ApiKey.objects.exclude(id=old.id).exists()


def test_the_successor_is_alike(operator: Operator, account: Account) -> None:
    old, _ = create_key(
        account,
        name="CRM",
        mode="test",
        requests_per_minute=7,
        scopes=["sms"],
        allowed_ranges=["127.0.0.0/8"],
    )

    key = shown_key(operator.post(f"agents/apikey/{old.id}/rotate/", overlap="24"))

    new = ApiKey.objects.get(replaces=old)
    assert key.startswith("outdial_test_")
    for field in ("account", "name", "mode", "requests_per_minute", "scopes", "allowed_ranges"):
        assert getattr(new, field) == getattr(old, field)
    assert (new.expires_at, new.revoked_at, new.last_used_at) == (None, None, None)


def test_a_key_that_was_to_live_90_days_is_followed_by_one_that_does(account: Account) -> None:
    old, _ = create_key(
        account, name="CRM", mode="test", expires_at=timezone.now() + timedelta(days=90)
    )
    new, _ = rotate_key(old, overlap=timedelta(hours=1))
    assert new.expires_at
    assert abs(new.expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)


def test_an_overlap_gives_no_key_a_longer_life(account: Account) -> None:
    soon = timezone.now() + timedelta(hours=2)
    old, _ = create_key(account, name="CRM", mode="test", expires_at=soon)

    rotate_key(old, overlap=timedelta(days=7))

    old.refresh_from_db()
    assert old.expires_at == soon


def test_both_pages_and_the_list_show_the_link(operator: Operator, account: Account) -> None:
    old, _ = create_key(account, name="CRM", mode="test")
    operator.post(f"agents/apikey/{old.id}/rotate/", overlap="24")
    new = ApiKey.objects.get(replaces=old)

    assert f'href="/admin/agents/apikey/{new.id}/change/"' in operator.read(
        f"agents/apikey/{old.id}/change/"
    )
    assert f'href="/admin/agents/apikey/{old.id}/change/"' in operator.read(
        f"agents/apikey/{new.id}/change/"
    )
    assert "replaced" in operator.read("agents/apikey/")


def test_the_history_of_both_names_the_operator(operator: Operator, account: Account) -> None:
    old, _ = create_key(account, name="CRM", mode="test")
    key = shown_key(operator.post(f"agents/apikey/{old.id}/rotate/", overlap="24"))
    new = ApiKey.objects.get(replaces=old)

    for row in (old, new):
        entry = LogEntry.objects.get(object_id=row.id)
        assert entry.user.username == "olivia"
        assert key not in entry.change_message
    later = operator.read(f"agents/apikey/{new.id}/change/") + operator.read("agents/apikey/")
    assert key not in later
    assert key not in str(operator.browser.session.items())


def test_a_key_that_ended_or_has_a_successor_is_not_rotated(
    operator: Operator, account: Account
) -> None:
    revoked, _ = create_key(account, name="Revoked", mode="test")
    revoke_key(revoked)
    expired, _ = create_key(account, name="Old", mode="test", expires_at=timezone.now())
    rotated, _ = create_key(account, name="Rotated", mode="test")
    rotate_key(rotated, overlap=timedelta(days=1))

    for key in (revoked, expired, rotated):
        path = f"agents/apikey/{key.id}/rotate/"
        assert f"/admin/{path}" not in operator.read(f"agents/apikey/{key.id}/change/")
        assert operator.post(path, overlap="24").status_code == 403
        with pytest.raises(Conflict):
            rotate_key(key, overlap=timedelta(0))
    assert ApiKey.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_successor(account: Account) -> None:
    old, _ = create_key(account, name="CRM", mode="test")
    together, outcomes = Barrier(2), list[str]()

    def rotate() -> None:
        together.wait()
        try:
            rotate_key(old, overlap=timedelta(days=1))
            outcomes.append("rotated")
        except Conflict:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [Thread(target=rotate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["refused", "rotated"]
    assert ApiKey.objects.filter(replaces=old).count() == 1
