"""Logging in to the admin: guesses are few, answers say nothing, and sessions end."""

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from agents import throttling
from tests.operator import Operator

PASSWORD = "correct horse battery staple"
LOGIN = "/admin/login/"


class CountingHasher(MD5PasswordHasher):
    """How often a password was hashed, which is what takes time."""

    hashed: ClassVar[int] = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).hashed += 1
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def clock(settings: Settings) -> Iterator[time_machine.Traveller]:
    """Stands still, so that no window ends but when a test says so."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    with time_machine.travel(timezone.now(), tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_superuser("olivia", password=PASSWORD)


def log_in(
    username: str = "olivia",
    password: str = PASSWORD,
    *,
    browser: Client | None = None,
    address: str = "192.0.2.1",
    forwarded_for: str = "",
) -> Any:
    return (browser or Client()).post(
        LOGIN,
        {"username": username, "password": password, "next": "/admin/"},
        REMOTE_ADDR=address,
        headers={"X-Forwarded-For": forwarded_for},
    )


def fresh_window(clock: time_machine.Traveller, answer: Any) -> None:
    clock.shift(timedelta(seconds=int(answer["Retry-After"]) + 1))


# Limits


@pytest.mark.parametrize("username", ["olivia", "nobody"])
def test_a_username_has_five_tries_a_minute(
    user: User, clock: time_machine.Traveller, username: str
) -> None:
    tries = [log_in(username, "wrong", address=f"192.0.2.{n}") for n in range(6)]

    refused = tries[-1]
    assert [answer.status_code for answer in tries] == [200] * 5 + [429]
    seconds = int(refused["Retry-After"])
    assert 1 <= seconds <= 60
    assert f"Try again in {seconds} second" in refused.content.decode()
    assert "no-store" in refused["Cache-Control"]
    if username == "olivia":
        assert log_in().status_code == 429  # the right password too, or guessing would go on
        fresh_window(clock, refused)
        assert log_in().status_code == 302


def test_an_address_has_ten_tries_a_minute(user: User) -> None:
    statuses = [log_in(f"user{n}", "wrong").status_code for n in range(11)]
    assert statuses == [200] * 10 + [429]
    assert log_in().status_code == 429
    assert log_in(address="198.51.100.1").status_code == 302


def test_every_spelling_of_a_username_is_one(user: User) -> None:
    names = ["olivia", "OLIVIA", " olivia ", "ｏlivia", "Olivia", "oLivia"]
    answers = [log_in(name, "wrong", address=f"192.0.2.{n}") for n, name in enumerate(names)]
    assert answers[-1].status_code == 429


def test_behind_a_proxy_each_client_counts(user: User, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    for n in range(10):
        log_in(f"user{n}", "wrong", address="10.0.0.1", forwarded_for="203.0.113.7")

    assert log_in(address="10.0.0.1", forwarded_for="203.0.113.7").status_code == 429
    assert log_in(address="10.0.0.1", forwarded_for="203.0.113.8").status_code == 302
    # An address that a client claims by itself is not believed.
    for n in range(10):
        log_in(f"one{n}", "wrong", address="192.0.2.9", forwarded_for=f"203.0.113.{n}")
    assert log_in(address="192.0.2.9", forwarded_for="203.0.113.99").status_code == 429


def test_looking_at_the_page_is_no_try(user: User) -> None:
    for _ in range(30):
        assert Client().get(LOGIN).status_code == 200
    assert log_in().status_code == 302


def test_without_its_cache_the_process_counts_for_itself(user: User, settings: Settings) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    throttling.forget_local_counts()
    statuses = [log_in("olivia", "wrong", address=f"192.0.2.{n}").status_code for n in range(6)]
    assert statuses == [200] * 5 + [429]


# Nothing to learn


def test_whoever_fails_learns_nothing(user: User) -> None:
    User.objects.create_user("inactive", password=PASSWORD, is_active=False, is_staff=True)
    User.objects.create_user("outsider", password=PASSWORD)
    User.objects.create(username="unusable", password="!", is_staff=True)
    tries = [("olivia", "wrong"), ("nobody", "wrong"), ("inactive", PASSWORD)]
    tries += [("outsider", PASSWORD), ("unusable", "wrong"), ("inactive", "wrong")]
    said, hashed = set(), []
    for n, (username, password) in enumerate(tries):
        CountingHasher.hashed = 0
        answer = log_in(username, password, address=f"198.51.100.{n}")
        assert answer.status_code == 200
        said.add(str(answer.context["form"].non_field_errors()))
        hashed.append(CountingHasher.hashed)
    assert len(said) == 1
    assert set(hashed) == {1}  # so much time, and no more for those who are there


# Sessions


def test_a_session_ends_with_the_browser_or_after_twelve_hours(
    user: User, clock: time_machine.Traveller
) -> None:
    browser = Client()
    log_in(browser=browser)
    cookie = browser.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert (cookie["max-age"], cookie["expires"]) == ("", "")  # until the browser closes

    clock.shift(timedelta(hours=11, minutes=59))
    assert browser.get("/admin/").status_code == 200
    clock.shift(timedelta(minutes=2))
    assert browser.get("/admin/").status_code == 302


def test_the_cookie_is_secure_where_the_server_is(user: User, settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    browser = Client()
    log_in(browser=browser)
    assert browser.cookies["sessionid"]["secure"] is True


@pytest.mark.parametrize("keeps_the_old_key", [True, False])
def test_a_session_outlives_its_key_while_that_is_a_fallback(
    user: User, settings: Settings, keeps_the_old_key: bool
) -> None:
    browser = Client()
    log_in(browser=browser)
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "n" * 50
    settings.SECRET_KEY_FALLBACKS = [old] if keeps_the_old_key else []

    assert browser.get("/admin/").status_code == (200 if keeps_the_old_key else 302)


def test_logging_in_changes_the_session(user: User) -> None:
    planted = SessionStore()
    planted["note"] = "whoever knows this session would be logged in with it"
    planted.create()
    browser = Client()
    browser.cookies["sessionid"] = str(planted.session_key)

    log_in(browser=browser)

    assert browser.cookies["sessionid"].value != planted.session_key
    assert browser.get("/admin/").status_code == 200
    browser.cookies["sessionid"] = str(planted.session_key)
    assert browser.get("/admin/").status_code == 302


def test_a_new_password_ends_the_other_sessions(user: User) -> None:
    here, there = Client(), Client()
    for browser in (here, there):
        log_in(browser=browser)
    new = "another horse, another battery"

    here.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )

    assert here.get("/admin/").status_code == 200
    assert there.get("/admin/").status_code == 302


def test_a_password_set_by_an_owner_ends_every_session(user: User) -> None:
    browser = Client()
    log_in(browser=browser)
    Operator(username="owner").post(
        f"auth/user/{user.pk}/password/",
        password1="another horse, another battery",
        password2="another horse, another battery",
        usable_password="true",
    )
    assert browser.get("/admin/").status_code == 302


def test_who_may_log_in_no_more_is_out_at_once(user: User) -> None:
    browser = Client()
    log_in(browser=browser)
    User.objects.update(is_active=False)
    assert browser.get("/admin/").status_code == 302
