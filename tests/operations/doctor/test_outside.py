"""The doctor on the world outside, and on what strangers could use: nothing is dialled or sent."""

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import Settings

from agents.models import Account, SecondFactor
from calls.models import CarrierCredentials
from core import probe
from tests.calls.dialer.engine import SECRET, Engine, Says, an_engine
from tests.calls.twilio.standin import SID, TOKEN, StandIn, standing_in
from tests.core.certificates import make_authority, self_signed
from tests.core.posting import saying, speaking
from tests.factories import make_agent
from tests.operations.doctor.conftest import ask, conversing, serving

pytestmark = pytest.mark.django_db
# The doctor asks from threads, whose connections see only what is committed.
committed = pytest.mark.django_db(transaction=True)


def public(settings: Settings, url: str) -> None:
    settings.PUBLIC_URL = settings.BASE_URL = url


# PUBLIC_URL ---------------------------------------------------------------------------------------


@committed
def test_an_address_that_leads_here(settings: Settings, live_server: Any, account: Account) -> None:
    settings.BASE_URL = live_server.url
    assert ask("public_url").text.startswith(f"None is set: {live_server.url} answers")
    make_agent(account, carrier="twilio")
    reports_nowhere = ask("public_url")
    assert reports_nowhere.status == "warning"
    assert "Set PUBLIC_URL" in reports_nowhere.mend

    public(settings, live_server.url)
    said = ask("public_url")
    assert (said.status, said.text) == ("ok", f"{live_server.url} leads here.")

    settings.REQUIRE_HTTPS = True
    refusing = ask("public_url")
    assert refusing.status == "failed"
    assert "REQUIRE_HTTPS refuses the API" in refusing.text


def test_a_public_url_where_nobody_answers(settings: Settings, closed_port: int) -> None:
    public(settings, f"http://127.0.0.1:{closed_port}")
    said = ask("public_url")
    assert said.status == "failed"
    assert "cannot be reached from here: connection refused" in said.text


def test_a_name_that_does_not_resolve(settings: Settings) -> None:
    public(settings, "http://calls.invalid")
    assert "dns lookup failed" in ask("public_url").text


def test_a_server_that_hangs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TOTAL_SECONDS", 0.3)
    with speaking(lambda connection: threading.Event().wait(5)) as url:  # type: ignore[arg-type]
        public(settings, url.rstrip("/"))
        assert "cannot be reached from here: timeout" in ask("public_url").text


@pytest.mark.parametrize(
    "body", [b'{"status":"ok"}', b'{"proof":"x","scheme":"http"}', b"[]", b"<"]
)
def test_a_public_url_that_is_somebody_elses(settings: Settings, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with speaking(saying(head + body)) as url:
        public(settings, url.rstrip("/"))
        said = ask("public_url")
    assert said.status == "failed"
    assert "is not this server (status 200)" in said.text


def test_a_public_url_that_redirects(settings: Settings) -> None:
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\nContent-Length: 0\r\n\r\n"
    with speaking(saying(moved)) as url:
        public(settings, url.rstrip("/"))
        said = ask("public_url")
    assert said.status == "failed"
    assert "redirects to https://x.example/" in said.text


def test_a_certificate_that_nobody_trusts(settings: Settings, tmp_path: Path) -> None:
    with speaking(saying(), tls=self_signed(tmp_path, host="127.0.0.1")) as url:
        public(settings, url.rstrip("/"))
        assert "tls failed" in ask("public_url").text


@contextmanager
def tls_proxy(to: tuple[str, int], tls: ssl.SSLContext) -> Iterator[str]:
    """A proxy that takes TLS off, and says nothing of it to the server behind."""
    listener = socket.create_server(("127.0.0.1", 0))

    def attend(connection: socket.socket) -> None:
        with (
            suppress(OSError),
            tls.wrap_socket(connection, server_side=True) as client,
            socket.create_connection(to) as server,
        ):
            asked = client.recv(65536)
            server.sendall(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while said := server.recv(65536):
                client.sendall(said)

    with serving(listener, attend) as port:
        yield f"https://127.0.0.1:{port}"


def test_a_proxy_that_hides_https(
    settings: Settings, live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    port = int(live_server.url.rpartition(":")[2])
    with tls_proxy(("127.0.0.1", port), authority.serving("127.0.0.1")) as url:
        public(settings, url)
        said = ask("public_url")
    assert said.status == "failed"
    assert "takes them for plain http" in said.text
    assert "TRUSTED_PROXIES" in said.mend


# Carriers -----------------------------------------------------------------------------------------


@pytest.fixture
def twilio(settings: Settings) -> Iterator[StandIn]:
    with standing_in() as standin:
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
        settings.TWILIO_API_BASE_URL = standin.url
        yield standin
        assert standin.violations == []
        assert standin.posts == []


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with an_engine() as engine:
        settings.DIALER_URL, settings.DIALER_SECRET = engine.url, SECRET
        yield engine
        assert engine.orders == []


def test_no_carrier_but_the_simulated_one(account: Account) -> None:
    make_agent(account)
    assert ask("carriers").text == "Only the simulated one is used."


def test_twilio_takes_the_credentials(twilio: StandIn) -> None:
    said = ask("carriers")
    assert said.status == "ok"
    assert said.text == f"Twilio (settings): the account {SID} is active."


def test_twilio_refuses_the_token(twilio: StandIn, settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN = "hush"
    said = ask("carriers")
    assert said.status == "failed"
    assert "Twilio (settings): the carrier did not accept the account's credentials" in said.text
    assert "hush" not in said.text


def test_twilio_suspended_the_account(twilio: StandIn) -> None:
    twilio.status = "suspended"
    said = ask("carriers")
    assert said.status == "failed"
    assert "the carrier suspended your account there" in said.text


def test_twilio_is_out_of_reach(twilio: StandIn, settings: Settings, closed_port: int) -> None:
    settings.TWILIO_API_BASE_URL = f"http://127.0.0.1:{closed_port}"
    said = ask("carriers")
    assert said.status == "failed"
    assert "no connection can be made" in said.text


@committed
def test_an_accounts_own_credentials(twilio: StandIn, account: Account, settings: Settings) -> None:
    row = CarrierCredentials(account=account, carrier="twilio")
    row.keep({"account_sid": "AC" + "b" * 32, "auth_token": "hush"})
    row.save()
    said = ask("carriers")
    assert said.status == "failed"
    assert f"Twilio (settings): the account {SID} is active." in said.text
    assert f"twilio of Clinic (no. {row.pk}): the carrier did not accept" in said.text
    assert "hush" not in said.text

    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert "none of ENCRYPTION_KEYS opens the credentials" in ask("carriers").text

    row.delete()
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    make_agent(account, carrier="twilio")
    said = ask("carriers")
    assert said.status == "failed"
    assert "Twilio: agents of Clinic call over it, and there are no credentials." in said.text


@pytest.mark.parametrize("status", [404, 405, 200])
def test_a_voice_engine_answers(engine: Engine, status: int) -> None:
    engine.on_look = lambda asked: Says(status, {"reports": []})
    said = ask("carriers")
    assert said.status == "ok"
    assert said.text == f"Dialer (settings): the engine at {engine.url} answers."
    engine.of("GET")[0].verify()


@pytest.mark.parametrize(
    ("status", "words"), [(401, "did not accept"), (500, "no answer that can be used")]
)
def test_a_voice_engine_refuses_or_is_broken(engine: Engine, status: int, words: str) -> None:
    engine.on_look = lambda asked: Says(status)
    said = ask("carriers")
    assert said.status == "failed"
    assert words in said.text


# Mail ---------------------------------------------------------------------------------------------


def smtp_reply(said: bytes) -> bytes:
    if said.upper().startswith(b"EHLO"):
        return b"250-mail.example.org\r\n250 AUTH PLAIN\r\n"
    if said.startswith(b"AUTH PLAIN"):
        _, _, password = base64.b64decode(said.split()[2]).split(b"\0")
        return b"235 ok\r\n" if password == b"right" else b"535 no\r\n"
    return b"221 bye\r\n" if said.upper().startswith(b"QUIT") else b"500 no mail here\r\n"


@pytest.mark.parametrize(("password", "status"), [("right", "ok"), ("wrong", "failed")])
def test_a_mail_server(settings: Settings, password: str, status: str) -> None:
    with conversing(smtp_reply, greeting=b"220 mail.example.org\r\n") as port:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "outdial", password
        said = ask("mail")
    assert said.status == status
    assert password not in said.text
    if status == "failed":
        assert "refuses the username or password (code 535)" in said.text


def test_a_mail_server_that_is_not_there(settings: Settings, closed_port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "No mail server is set" in ask("mail").text
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port
    said = ask("mail")
    assert said.status == "failed"
    assert "cannot be used" in said.text


# Settings and files -------------------------------------------------------------------------------


def test_settings_of_a_machine_of_ones_own() -> None:
    assert ask("settings").text == "Nothing is too open."


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"DEBUG": True}, "failed", "DEBUG is on"),
        ({}, "warning", "PUBLIC_URL is plain http"),
        ({"IS_HTTPS": True, "REQUIRE_HTTPS": False}, "warning", "REQUIRE_HTTPS is off"),
        ({"TRUSTED_PROXIES": [ip_network("0.0.0.0/0")]}, "failed", "believes everybody"),
        ({"WEBHOOK_ALLOWED_TARGETS": ["::/0"]}, "failed", "allows every address"),
        ({"SESSION_COOKIE_SECURE": False}, "warning", "security.W012"),
        ({"SECRET_KEY": "django-insecure-" + "s" * 50}, "warning", "security.W009"),
    ],
)
def test_settings_that_are_too_open(
    settings: Settings, change: dict[str, Any], status: str, words: str
) -> None:
    settings.PUBLIC_URL = "http://calls.example.org"
    for name, value in change.items():
        setattr(settings, name, value)
    said = ask("settings")
    assert said.status == status
    assert words in said.text


@committed
def test_users_by_password_alone(settings: Settings) -> None:
    assert ask("users").status == "ok"
    settings.PUBLIC_URL = "https://calls.example.org"
    User.objects.create(username="outsider")
    user = User.objects.create(username="olivia", is_staff=True)
    said = ask("users")
    assert said.status == "warning"
    assert "1 of 1 get into the admin by password alone" in said.text
    settings.REQUIRE_TWO_FACTOR = True
    assert ask("users").status == "ok"
    settings.REQUIRE_TWO_FACTOR = False
    SecondFactor.objects.create(user=user, encrypted_secret="", last_step=0)
    assert ask("users").status == "ok"


def test_a_key_file_that_others_may_read(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    key = tmp_path / "encryption_key"
    key.touch(mode=0o600)
    assert ask("files").status == "ok"
    key.chmod(0o644)
    said = ask("files")
    assert said.status == "failed"
    assert f"chmod 600 {key}" in said.mend


def test_rows_that_others_may_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR, settings.IS_SQLITE = tmp_path, True
    rows = tmp_path / "outdial.sqlite3"
    rows.touch(mode=0o644)
    with monkeypatch.context() as patch:
        patch.setitem(connections.settings["default"], "NAME", str(rows))
        tmp_path.chmod(0o755)
        said = ask("files")
        tmp_path.chmod(0o700)
        again = ask("files")
    assert said.status == "warning"
    assert f"chmod 700 {tmp_path}" in said.mend
    assert again.status == "ok"
