"""Two-factor login: nothing is open between the steps, codes are used once, guesses are few."""

import base64
import hashlib
import hmac
import re
import struct
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import segno
import time_machine
from cryptography.fernet import Fernet
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.utils import timezone
from pytest_django import Settings

from agents.models import RecoveryCode, SecondFactor
from core import secrets
from tests.operator import Operator

PASSWORD = "correct horse battery staple"
STEP = timedelta(seconds=30)
CODE_PAGE, OWN_PAGE = "/admin/second-step/", "/admin/second-factor/"


@pytest.fixture(autouse=True)
def clock(settings: Settings, db: None) -> Iterator[time_machine.Traveller]:
    """Stands still, so that no window and no code ends but when a test says so."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with time_machine.travel(timezone.now(), tick=False) as coordinates:
        yield coordinates


def code_of(secret: str, *, steps: int = 0) -> str:
    """What an app shows now, or so many half minutes later: RFC 6238, written out."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


class Person:
    """Somebody with a password, and after `enrol` with an app and recovery codes."""

    def __init__(self, username: str = "olivia", *, role: str | None = None) -> None:
        self.user = User.objects.create_user(
            username, password=PASSWORD, is_staff=True, is_superuser=role is None
        )
        if role:
            self.user.groups.add(Group.objects.get(name=role))
            self.user.account_access.create(account=None)
        self.secret = ""
        self.codes: list[str] = []

    def log_in(self, browser: Client | None = None) -> Client:
        """As far as the password goes."""
        browser = browser or Client()
        answer = browser.post(
            "/admin/login/", {"username": self.user.username, "password": PASSWORD}
        )
        assert answer.status_code == 302
        return browser

    def enrol(self, browser: Client) -> Any:
        page = browser.get(OWN_PAGE).content.decode()
        self.secret = secret_in(page)
        answer = browser.post(OWN_PAGE, {"action": "confirm", "code": code_of(self.secret)})
        self.codes = codes_in(answer.content.decode())
        return answer


def secret_in(page: str) -> str:
    found = re.search(r"od-mono od-strong\">([A-Z2-7 ]+)<", page)
    assert found, page
    return found[1].replace(" ", "")


def codes_in(page: str) -> list[str]:
    return re.findall(r"<li>([a-z2-9-]{23})</li>", page)


def give(browser: Client, code: str, *, address: str = "192.0.2.1", next: str = "") -> Any:
    query = f"?next={next}" if next else ""
    return browser.post(f"{CODE_PAGE}{query}", {"code": code}, REMOTE_ADDR=address)


NEW_PASSWORD = "another horse, another battery"


def change_password(browser: Client, *, old: str) -> Any:
    return browser.post(
        "/admin/password_change/",
        {"old_password": old, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
    )


def is_in(browser: Client) -> bool:
    return browser.get("/admin/auth/user/").status_code == 200


@pytest.fixture
def olivia() -> Person:
    return Person()


@pytest.fixture
def enrolled(olivia: Person, clock: time_machine.Traveller) -> Person:
    olivia.enrol(olivia.log_in())
    # Codes up to now were used.
    clock.shift(STEP)
    return olivia


# Setting it up ------------------------------------------------------------------------------------


def test_setting_it_up(olivia: Person) -> None:
    browser = olivia.log_in()
    assert is_in(browser)
    first = browser.get(OWN_PAGE)
    page = first.content.decode()
    secret = secret_in(page)
    says = f"otpauth://totp/Outdial:olivia?digits=6&secret={secret}&algorithm=SHA1"
    drawn = segno.make(f"{says}&issuer=Outdial&period=30", error="m")
    assert drawn.svg_inline(scale=4, border=3, light="#fff") in page
    assert "no-store" in first["Cache-Control"]

    answer = browser.post(OWN_PAGE, {"action": "confirm", "code": code_of(secret)})

    codes = codes_in(answer.content.decode())
    assert len(set(codes)) == 10
    assert "no-store" in answer["Cache-Control"]
    assert is_in(browser)
    assert LogEntry.objects.get().get_change_message() == "Set up two-factor login."
    later = browser.get(OWN_PAGE).content.decode()
    assert "Recovery codes left" in later
    assert secret not in later
    assert codes[0] not in later
    assert not codes_in(later)


def test_what_is_stored_opens_nothing(olivia: Person) -> None:
    browser = olivia.log_in()
    page = browser.get(OWN_PAGE).content.decode()
    session = str(Session.objects.get().get_decoded())
    assert secret_in(page) not in session

    olivia.enrol(browser)

    factor = SecondFactor.objects.get()
    assert olivia.secret not in factor.encrypted_secret
    assert secrets.decrypt(factor.encrypted_secret) == olivia.secret
    digests = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert digests == {secrets.digest(code.replace("-", "")) for code in olivia.codes}
    assert "second_factor_to_come" not in Session.objects.get().get_decoded()


def test_each_look_is_another_secret_and_a_wrong_code_shows_none(olivia: Person) -> None:
    browser = olivia.log_in()
    earlier = secret_in(browser.get(OWN_PAGE).content.decode())
    secret = secret_in(browser.get(OWN_PAGE).content.decode())
    assert earlier != secret

    for wrong in (code_of(earlier), "12345", "abcdef", ""):
        page = browser.post(OWN_PAGE, {"action": "confirm", "code": wrong}).content.decode()
        assert "is not right" in page or "required" in page
        assert secret[:4] + " " + secret[4:8] not in page
        assert not SecondFactor.objects.exists()
    browser.post(OWN_PAGE, {"action": "confirm", "code": code_of(secret)})
    assert SecondFactor.objects.exists()


@pytest.mark.parametrize("is_required", [False, True])
def test_the_first_app_takes_the_password_again(
    olivia: Person, clock: time_machine.Traveller, settings: Settings, is_required: bool
) -> None:
    settings.REQUIRE_TWO_FACTOR = is_required
    browser = olivia.log_in()
    clock.shift(timedelta(minutes=5))
    page = browser.get(OWN_PAGE).content.decode()
    assert "Your password" in page
    assert "a code" not in page
    for action in ("begin", "replace", "codes", "remove", "confirm"):
        for proof in ("", "wrong"):
            fields = {"action": action, "proof": proof, "code": "000000"}
            clock.shift(timedelta(minutes=1))
            page = browser.post(OWN_PAGE, fields, follow=True).content.decode()
            assert "Your password" in page
            assert "od-qr" not in page
    assert "second_factor_to_come" not in browser.session

    answer = browser.post(OWN_PAGE, {"action": "begin", "proof": PASSWORD})
    secret = secret_in(answer.content.decode())
    browser.post(OWN_PAGE, {"action": "confirm", "code": code_of(secret)})

    assert SecondFactor.objects.exists()
    assert is_in(browser)


def test_a_session_without_its_password_sets_up_nothing(olivia: Person) -> None:
    browser = Client()
    browser.force_login(olivia.user)
    assert "od-qr" not in browser.get(OWN_PAGE).content.decode()
    tries = [browser.post(OWN_PAGE, {"action": "begin", "proof": f"{n}"}) for n in range(6)]
    assert [answer.status_code for answer in tries] == [200] * 5 + [429]
    assert "This is not your password." in tries[0].content.decode()


def test_a_password_just_given_is_not_asked_for_again(
    olivia: Person, clock: time_machine.Traveller
) -> None:
    browser = olivia.log_in()
    clock.shift(timedelta(minutes=4, seconds=59))
    secret = secret_in(browser.get(OWN_PAGE).content.decode())
    # Finding and scanning may take longer; nobody who comes later sees this secret.
    clock.shift(timedelta(minutes=10))
    browser.post(OWN_PAGE, {"action": "confirm", "code": code_of(secret)})
    assert SecondFactor.objects.exists()


def test_without_the_key_of_its_secret_it_begins_again(olivia: Person, settings: Settings) -> None:
    browser = olivia.log_in()
    lost = secret_in(browser.get(OWN_PAGE).content.decode())
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    answer = browser.post(OWN_PAGE, {"action": "confirm", "code": code_of(lost)})

    assert answer["Location"] == OWN_PAGE
    assert not SecondFactor.objects.exists()
    olivia.enrol(browser)
    assert olivia.secret != lost
    assert SecondFactor.objects.exists()


# The second step ----------------------------------------------------------------------------------


def test_password_and_code_let_one_in(enrolled: Person) -> None:
    browser = enrolled.log_in()
    before = browser.cookies["sessionid"].value
    led = browser.get("/admin/calls/call/?status__exact=failed")
    assert (
        led["Location"] == f"{CODE_PAGE}?next=%2Fadmin%2Fcalls%2Fcall%2F%3Fstatus__exact%3Dfailed"
    )
    assert "recovery codes" in browser.get(led["Location"]).content.decode()

    answer = browser.post(led["Location"], {"code": code_of(enrolled.secret)})

    assert answer["Location"] == "/admin/calls/call/?status__exact=failed"
    assert is_in(browser)
    assert browser.cookies["sessionid"].value != before


def test_it_leads_nowhere_else(enrolled: Person) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        browser = enrolled.log_in()
        code = enrolled.codes.pop()
        assert give(browser, code, next=elsewhere)["Location"] == "/admin/"


def every_address(patterns: Any, prefix: str = "/admin/") -> Iterator[str]:
    """Of the admin, with something in the place of each parameter."""
    for one in patterns:
        route = re.sub(r"<[^>]+>", "1", str(one.pattern)).replace("(?P1.*)$", "x")
        if isinstance(one, URLResolver):
            yield from every_address(one.url_patterns, prefix + route)
        elif isinstance(one, URLPattern):
            yield prefix + route


OPEN = {"/admin/login/", "/admin/logout/", CODE_PAGE, OWN_PAGE}
ADDRESSES = [one for one in every_address(admin.site.urls[0]) if one not in OPEN]


@pytest.mark.parametrize("is_required", [False, True])
def test_nothing_is_open_between_the_steps(
    olivia: Person, settings: Settings, is_required: bool
) -> None:
    browser, page = olivia.log_in(), OWN_PAGE
    if not is_required:
        olivia.enrol(olivia.log_in())
        page = CODE_PAGE
    settings.REQUIRE_TWO_FACTOR = is_required
    assert len(ADDRESSES) > 100
    for address in ADDRESSES:
        for ask in (browser.get, browser.post):
            answer = ask(address)
            assert answer.status_code == 302, address
            assert answer["Location"].startswith(f"{page}?next="), address
    for address in (CODE_PAGE, OWN_PAGE, "/admin/login/"):
        assert "Calls by outcome" not in browser.get(address, follow=True).content.decode()
        assert "/admin/calls/call/" not in browser.get(address, follow=True).content.decode()


def test_one_who_waits_changes_nothing_of_their_own(enrolled: Person) -> None:
    browser = enrolled.log_in()
    for action in ("confirm", "replace", "codes", "remove"):
        answer = browser.post(
            OWN_PAGE, {"action": action, "proof": PASSWORD, "code": code_of(enrolled.secret)}
        )
        assert answer["Location"] == CODE_PAGE
    assert RecoveryCode.objects.count() == 10
    assert browser.post("/admin/logout/").status_code in (200, 302)
    assert "_auth_user_id" not in browser.session


def test_pages_of_the_steps_want_a_password_first(enrolled: Person) -> None:
    for browser in (Client(), outsider()):
        for address in (CODE_PAGE, OWN_PAGE):
            for ask in (browser.get, browser.post):
                answer = ask(address, follow=True)
                assert answer.redirect_chain[-1][0].startswith("/admin/login/")
    assert SecondFactor.objects.count() == 1


def outsider() -> Client:
    """Somebody who is logged in and is no operator."""
    browser = Client()
    browser.force_login(User.objects.create(username="outsider"))
    return browser


def test_logging_in_again_asks_again(enrolled: Person) -> None:
    browser = enrolled.log_in()
    give(browser, code_of(enrolled.secret))
    assert is_in(browser)
    enrolled.log_in(browser)
    assert not is_in(browser)
    # Somebody else in the same browser is judged by what they have themselves.
    assert is_in(Person("oscar").log_in(browser))
    assert not is_in(enrolled.log_in(browser))


def test_other_sessions_take_the_step_once_an_app_is_set_up(olivia: Person) -> None:
    here, there = olivia.log_in(), olivia.log_in()
    # Begun there, and not brought to an end.
    begun = secret_in(there.get(OWN_PAGE).content.decode())
    olivia.enrol(here)
    assert is_in(here)
    assert there.get("/admin/")["Location"].startswith(CODE_PAGE)
    there.post(OWN_PAGE, {"action": "confirm", "code": code_of(begun)})
    assert secrets.decrypt(SecondFactor.objects.get().encrypted_secret) == olivia.secret


# Codes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "lets_in"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_code_lasts_half_a_minute_and_a_little(
    enrolled: Person, clock: time_machine.Traveller, steps: int, lets_in: bool
) -> None:
    clock.shift(STEP * 10)
    browser = enrolled.log_in()
    give(browser, code_of(enrolled.secret, steps=steps))
    assert is_in(browser) == lets_in


@pytest.mark.parametrize(
    "wrong", ["000000", "", "12345", "1234567", "x" * 41, "１２３４５６", "\x00"]
)
def test_a_wrong_code(enrolled: Person, wrong: str) -> None:
    browser = enrolled.log_in()
    answer = give(browser, wrong)
    assert answer.status_code == 200
    assert not is_in(browser)


def test_a_code_is_taken_once(enrolled: Person, clock: time_machine.Traveller) -> None:
    code = code_of(enrolled.secret)
    first, second = enrolled.log_in(), enrolled.log_in()
    # As people type it.
    give(first, f"{code[:3]} {code[3:]}")
    assert is_in(first)

    assert "was used before" in give(second, code).content.decode()
    # Nor is an earlier one, though it lasts.
    give(second, code_of(enrolled.secret, steps=-1))
    assert not is_in(second)
    clock.shift(STEP)
    give(second, code_of(enrolled.secret))
    assert is_in(second)


def test_the_code_it_was_set_up_with_is_used(olivia: Person) -> None:
    olivia.enrol(olivia.log_in())
    browser = olivia.log_in()
    give(browser, code_of(olivia.secret))
    assert not is_in(browser)


def test_each_recovery_code_lets_in_once(enrolled: Person) -> None:
    code = enrolled.codes[3]
    first, second = enrolled.log_in(), enrolled.log_in()
    give(first, code.upper().replace("-", " "))
    assert is_in(first)
    give(second, code)
    assert not is_in(second)
    give(second, enrolled.codes[4])
    assert is_in(second)
    assert RecoveryCode.objects.count() == 8


def test_codes_of_somebody_else(enrolled: Person) -> None:
    oscar = Person("oscar")
    oscar.enrol(oscar.log_in())
    browser = oscar.log_in()
    for code in (code_of(enrolled.secret), enrolled.codes[0]):
        give(browser, code)
        assert not is_in(browser)


def test_without_its_key_only_recovery_codes_are_left(enrolled: Person, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    browser = enrolled.log_in()
    assert give(browser, code_of(enrolled.secret)).status_code == 200
    assert not is_in(browser)
    give(browser, enrolled.codes[0])
    assert is_in(browser)


# Limits -------------------------------------------------------------------------------------------


def test_five_tries_a_minute(enrolled: Person, clock: time_machine.Traveller) -> None:
    browser = enrolled.log_in()
    tries = [give(browser, "000000", address=f"192.0.2.{n}") for n in range(6)]
    assert [answer.status_code for answer in tries] == [200] * 5 + [429]
    assert 1 <= int(tries[-1]["Retry-After"]) <= 60
    # The right one too, and with another session: it is the user who is counted.
    assert give(enrolled.log_in(), code_of(enrolled.secret)).status_code == 429
    clock.shift(timedelta(seconds=int(tries[-1]["Retry-After"]) + 1))
    give(browser, code_of(enrolled.secret))
    assert is_in(browser)


def test_twenty_tries_an_hour(enrolled: Person, clock: time_machine.Traveller) -> None:
    browser, judged = enrolled.log_in(), 0
    for _ in range(50):
        judged += give(browser, "000000").status_code == 200
        clock.shift(timedelta(seconds=13))
    # Less than five a minute. Of at most two hours that they fell into, each had its twenty.
    assert 20 <= judged <= 40


def test_twenty_tries_an_hour_without_its_cache(
    enrolled: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    seconds = 0.0  # what these windows go by
    monkeypatch.setattr(time, "monotonic", lambda: seconds)
    browser, statuses = enrolled.log_in(), []
    for n in range(22):
        seconds += 61
        statuses.append(give(browser, "000000", address=f"192.0.2.{n}").status_code)
    assert statuses == [200] * 20 + [429] * 2
    seconds += 3600
    assert give(browser, "000000").status_code == 200


def test_ten_tries_of_an_address() -> None:
    people = [Person(f"user{n}") for n in range(3)]
    for one in people:
        one.enrol(one.log_in())
    statuses = []
    for n in range(11):
        browser = Client()
        browser.force_login(people[n % 3].user)
        statuses.append(give(browser, "000000").status_code)
    assert statuses == [200] * 10 + [429]


def test_proofs_count_as_tries(enrolled: Person) -> None:
    browser = enrolled.log_in()
    give(browser, code_of(enrolled.secret))
    statuses = [
        browser.post(OWN_PAGE, {"action": "remove", "proof": "wrong"}).status_code for _ in range(5)
    ]
    assert statuses == [200] * 4 + [429]
    assert SecondFactor.objects.exists()


def test_the_password_is_not_guessed_where_it_is_changed(
    olivia: Person, clock: time_machine.Traveller
) -> None:
    browser = olivia.log_in()
    tries = [change_password(browser, old=f"wrong{n}") for n in range(6)]
    assert [answer.status_code for answer in tries] == [200] * 5 + [429]
    assert change_password(browser, old=PASSWORD).status_code == 429
    # To look is no try.
    assert browser.get("/admin/password_change/").status_code == 200
    clock.shift(timedelta(seconds=int(tries[-1]["Retry-After"]) + 1))
    assert change_password(browser, old=PASSWORD).status_code == 302


def test_tries_at_the_password_are_tries_at_a_code(inside: Client) -> None:
    for n in range(4):  # the fifth is the code that let one in
        change_password(inside, old=f"wrong{n}")
    answer = inside.post(OWN_PAGE, {"action": "remove", "proof": PASSWORD})
    assert answer.status_code == 429
    assert SecondFactor.objects.exists()


# One's own ----------------------------------------------------------------------------------------


@pytest.fixture
def inside(enrolled: Person) -> Client:
    browser = enrolled.log_in()
    give(browser, code_of(enrolled.secret))
    return browser


@pytest.mark.parametrize("action", ["codes", "replace", "remove"])
@pytest.mark.parametrize("proof", ["", "wrong", "000000"])
def test_nothing_changes_without_proof(inside: Client, action: str, proof: str) -> None:
    before = set(RecoveryCode.objects.values_list("digest", flat=True))
    page = inside.post(OWN_PAGE, {"action": action, "proof": proof}).content.decode()
    assert "Recovery codes left" in page
    assert set(RecoveryCode.objects.values_list("digest", flat=True)) == before
    assert "second_factor_to_come" not in inside.session


def test_new_recovery_codes(inside: Client, enrolled: Person) -> None:
    answer = inside.post(OWN_PAGE, {"action": "codes", "proof": PASSWORD})
    new = codes_in(answer.content.decode())
    assert len(set(new) - set(enrolled.codes)) == 10
    browser = enrolled.log_in()
    give(browser, enrolled.codes[0])
    assert not is_in(browser)
    give(browser, new[0])
    assert is_in(browser)


def test_another_app(inside: Client, enrolled: Person, clock: time_machine.Traveller) -> None:
    elsewhere = enrolled.log_in()
    give(elsewhere, enrolled.codes[0])
    answer = inside.post(OWN_PAGE, {"action": "replace", "proof": enrolled.codes[1]})
    secret = secret_in(answer.content.decode())
    assert secret != enrolled.secret
    # Until it is proven, the first one counts.
    assert SecondFactor.objects.get().recovery_codes.count() == 8

    inside.post(OWN_PAGE, {"action": "confirm", "code": code_of(secret)})

    assert is_in(inside)
    assert not is_in(elsewhere)
    clock.shift(STEP)
    give(elsewhere, code_of(enrolled.secret))
    assert not is_in(elsewhere)
    give(elsewhere, code_of(secret))
    assert is_in(elsewhere)


def test_turning_it_off(inside: Client, enrolled: Person) -> None:
    answer = inside.post(OWN_PAGE, {"action": "remove", "proof": PASSWORD})
    assert answer["Location"] == "/admin/"
    assert not RecoveryCode.objects.exists()
    assert is_in(inside)
    assert is_in(enrolled.log_in())
    told = [one.get_change_message() for one in LogEntry.objects.order_by("id")]
    assert told == ["Set up two-factor login.", "Removed two-factor login."]


def test_a_new_password_keeps_the_step(inside: Client) -> None:
    change_password(inside, old=PASSWORD)
    assert is_in(inside)
    browser = Client()
    browser.post("/admin/login/", {"username": "olivia", "password": NEW_PASSWORD})
    assert browser.get("/admin/")["Location"].startswith(CODE_PAGE)


# Where it is required -----------------------------------------------------------------------------


def test_who_has_none_sets_it_up_first(olivia: Person, settings: Settings) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    browser = olivia.log_in()
    assert browser.get("/admin/")["Location"].startswith(OWN_PAGE)

    answer = olivia.enrol(browser)

    assert len(codes_in(answer.content.decode())) == 10
    assert is_in(browser)


def test_it_is_not_turned_off_there(inside: Client, enrolled: Person, settings: Settings) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    assert "Turn off" not in inside.get(OWN_PAGE).content.decode()
    inside.post(OWN_PAGE, {"action": "remove", "proof": PASSWORD})
    assert SecondFactor.objects.exists()


# Resetting it -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [None, "Owner"])
def test_an_owner_resets_that_of_an_operator(role: str | None) -> None:
    oscar = Person("oscar", role="Operator")
    oscar.enrol(oscar.log_in())
    waiting = oscar.log_in()
    waiting.get("/admin/")
    owner = Operator(username="owen", role=role)
    path = f"auth/user/{oscar.user.pk}/reset_second_factor/"
    assert f'href="/admin/{path}"' in owner.read(f"auth/user/{oscar.user.pk}/change/")
    assert "Be sure that it is they" in owner.read(path)
    assert SecondFactor.objects.exists()

    assert owner.post(path).status_code == 302

    assert not SecondFactor.objects.exists()
    assert LogEntry.objects.filter(user=owner.user).get().get_change_message() == (
        "Reset two-factor login."
    )
    assert owner.get(path).status_code == 403
    # Half a login is none: whoever waited for the code begins with the password again.
    assert waiting.get("/admin/")["Location"].startswith("/admin/login/")
    assert oscar.log_in().get("/admin/").status_code == 200


def test_nobody_resets_that_of_who_can_do_more() -> None:
    root, beside = Person("root"), Person("richard", role="Owner")
    for one in (root, beside):
        one.enrol(one.log_in())
    for role in ("Owner", "Operator", "Support"):
        operator = Operator(username=role, role=role)
        path = f"auth/user/{root.user.pk}/reset_second_factor/"
        assert operator.get(path).status_code == 403
        assert operator.post(path).status_code == 403
    path = f"auth/user/{beside.user.pk}/reset_second_factor/"
    assert Operator(username="osric", role="Operator").post(path).status_code == 403
    assert SecondFactor.objects.count() == 2


def test_ones_own_takes_proof(inside: Client, enrolled: Person) -> None:
    assert (
        inside.post(f"/admin/auth/user/{enrolled.user.pk}/reset_second_factor/").status_code == 403
    )
    assert SecondFactor.objects.exists()


def test_an_administrator_who_is_locked_out(enrolled: Person) -> None:
    out = StringIO()
    call_command("reset_second_factor", "olivia", stdout=out)
    assert out.getvalue() == "olivia logs in by password alone now, and sets it up again.\n"
    assert is_in(enrolled.log_in())
    assert "from the command line" in LogEntry.objects.latest("id").get_change_message()
    for name, words in (("olivia", "has no two-factor login"), ("nobody", "There is no user")):
        with pytest.raises(CommandError, match=words):
            call_command("reset_second_factor", name)
