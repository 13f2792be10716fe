"""Settings: strict, loud at start, and each of them documented."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = {"SECRET_KEY": "s" * 50, "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}


def start(
    folder: Path, *options: str, command: str = "check", **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", command, *options],
        cwd=ROOT,
        env={**clean, "VAR_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"HOST": "0.0.0.0"}, "set PUBLIC_URL"),
        ({"HOST": "192.0.2.1"}, "set PUBLIC_URL"),
        ({"PUBLIC_URL": "https://calls.example.org"}, "Set SECRET_KEY"),
        ({"PUBLIC_URL": "calls.example.org", **KEYS}, "PUBLIC_URL must look like"),
        ({"PUBLIC_URL": "https://calls.example.org/x", **KEYS}, "without a path"),
        ({"PUBLIC_URL": "https://user@calls.example.org", **KEYS}, "PUBLIC_URL must look like"),
        ({"PUBLIC_URL": "https://calls.example.org:port", **KEYS}, "PUBLIC_URL must look like"),
        ({"PUBLIC_URL": "https://calls.example.org:99999", **KEYS}, "PUBLIC_URL must look like"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must have"),
        ({"SECRET_KEY_FALLBACKS": "short"}, "SECRET_KEY_FALLBACKS must have"),
        ({"PUBLIC_URL": "https://calls.example.org", "HSTS": "all", **KEYS}, "HSTS must be host"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must be"),
        ({"REDIS_URL": "redis://127.0.0.1:bad/0"}, "REDIS_URL must be"),
        ({"BROKER_URL": "rabbit"}, "BROKER_URL must be"),
        ({"DATABASE_URL": "garbage"}, "DATABASE_URL must be"),
        ({"DATABASE_URL": "postgres://127.0.0.1:bad/x"}, "DATABASE_URL must be"),
        ({"WEBHOOK_ALLOWED_TARGETS": "10.1.0.0/33"}, "10.1.0.0/33 is none"),
        ({"WEBHOOK_ALLOWED_TARGETS": "http://n8n.internal"}, "http://n8n.internal is none"),
        ({"CREDITS_PER_MINUTE": "-1"}, "CREDITS_PER_MINUTE must be a decimal"),
        ({"CREDITS_PER_MINUTE": "1,5"}, "CREDITS_PER_MINUTE must be a decimal"),
        ({"CREDITS_PER_SEGMENT": "NaN"}, "CREDITS_PER_SEGMENT must be a decimal"),
        ({"CREDITS_PER_SEGMENT": "0.00001"}, "CREDITS_PER_SEGMENT must be a decimal"),
        ({"KEEP_EVENTS_DAYS": "7"}, "KEEP_EVENTS_DAYS must be 30 or more days, or 0"),
        ({"KEEP_TIMELINES_DAYS": "-1"}, "KEEP_TIMELINES_DAYS must be from 0"),
        ({"PORT": "http"}, "PORT must be a whole number"),
        ({"PORT": "70000"}, "PORT must be from 1 to 65535"),
        ({"REQUIRE_HTTPS": "maybe"}, "REQUIRE_HTTPS must be true or false"),
        ({"TRUSTED_PROXIES": "proxy.internal"}, "TRUSTED_PROXIES takes addresses"),
        ({"DATABASE_URL": "mysql://127.0.0.1/x"}, "DATABASE_URL must be"),
        ({"DATABASE_URL": "postgres://db.example.org/x"}, "Set SECRET_KEY"),
        ({"ENCRYPTION_KEYS": "short"}, "ENCRYPTION_KEYS"),
        ({"TWILIO_ACCOUNT_SID": "AC1"}, "are set together"),
        ({"TWILIO_AUTH_TOKEN": "secret"}, "are set together"),
        (
            {"TWILIO_ACCOUNT_SID": "xx", "TWILIO_AUTH_TOKEN": "secret"},
            "TWILIO_ACCOUNT_SID must be AC and 32",
        ),
        ({"TWILIO_API_BASE_URL": "api.twilio.com"}, "TWILIO_API_BASE_URL must be"),
        ({"DIALER_URL": "https://voice.example.org"}, "set both, or none"),
        ({"DIALER_SECRET": "s"}, "set both, or none"),
        ({"DIALER_URL": "voice.example.org", "DIALER_SECRET": "s"}, "DIALER_URL must be"),
        ({"DIALER_URL": "https://", "DIALER_SECRET": "s"}, "DIALER_URL must be"),
        (
            {"DIALER_URL": "https://voice.example.org", "DIALER_SECRET": "whsec_!"},
            "base64 must follow",
        ),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN must have at least 16"),
        ({"METRICS_TOKEN": "one with spaces in it"}, "METRICS_TOKEN must have at least 16"),
        ({"EMAIL_URL": "mail.example.org"}, "EMAIL_URL must look like"),
        ({"EMAIL_URL": "imap://mail.example.org"}, "EMAIL_URL must look like"),
        ({"EMAIL_URL": "smtp://"}, "EMAIL_URL must look like"),
        ({"ALERT_EMAILS": "ops@example.org"}, "ALERT_EMAILS needs EMAIL_URL"),
        (
            {"EMAIL_URL": "smtp://mail.example.org", "ALERT_EMAILS": "ops@example.org,ops"},
            "ALERT_EMAILS takes mail addresses; ops is none",
        ),
        ({"ALERT_EMAILS": ",".join(["ops@example.org"] * 21)}, "takes at most 20 addresses"),
        ({"DEFAULT_FROM_EMAIL": "Outdial"}, "DEFAULT_FROM_EMAIL must be"),
        ({"OPERATOR_WEBHOOK_URL": "https://ops.example.org"}, "set both, or none"),
        ({"OPERATOR_WEBHOOK_SECRET": "whsec_cw=="}, "set both, or none"),
        (
            {"OPERATOR_WEBHOOK_URL": "ops.example.org", "OPERATOR_WEBHOOK_SECRET": "whsec_cw=="},
            "OPERATOR_WEBHOOK_URL must be",
        ),
        (
            {
                "OPERATOR_WEBHOOK_URL": "https://me:secret@ops.example.org",
                "OPERATOR_WEBHOOK_SECRET": "whsec_cw==",
            },
            "OPERATOR_WEBHOOK_URL must be",
        ),
        (
            {"OPERATOR_WEBHOOK_URL": "https://ops.example.org", "OPERATOR_WEBHOOK_SECRET": "s"},
            "OPERATOR_WEBHOOK_SECRET must be",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be"),
    ],
)
def test_refuses_to_start(tmp_path: Path, environment: dict[str, str], complaint: str) -> None:
    started = start(tmp_path, **environment)
    assert started.returncode == 1
    assert complaint in started.stderr
    assert started.stderr.count("\n") == 1


def test_starts_with_nothing_set_and_keeps_its_keys_to_itself(tmp_path: Path) -> None:
    assert start(tmp_path).returncode == 0
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(kept) == {"secret_key", "encryption_key"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert start(tmp_path).returncode == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == kept


def test_starts_in_public_with_keys(tmp_path: Path) -> None:
    started = start(tmp_path, PUBLIC_URL="https://calls.example.org", HOST="0.0.0.0", **KEYS)
    assert started.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("calls.example.org", "outdial@calls.example.org"),
        ("[2001:db8::1]:8443", "outdial@localhost"),
        ("192.0.2.100", "outdial@localhost"),
        ("intranet", "outdial@localhost"),
    ],
)
def test_sender_of_mail_is_an_address_whatever_the_host(
    tmp_path: Path, host: str, sender: str
) -> None:
    started = start(tmp_path, command="diffsettings", PUBLIC_URL=f"https://{host}", **KEYS)
    assert f"DEFAULT_FROM_EMAIL = '{sender}'" in started.stdout


PRODUCTION = {
    "HOST": "0.0.0.0",
    "PUBLIC_URL": "https://calls.example.org",
    "DATABASE_URL": "postgres://outdial@127.0.0.1:5432/outdial",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "SECRET_KEY": "1yJd8QpTz0vKc7WmXh4RuBn5GsLe9FaOi2Dt6Vx3Pq5Hw8Nz2Kb7",
    "ENCRYPTION_KEYS": KEYS["ENCRYPTION_KEYS"],
}


def test_production_shape_passes_the_check_for_deployment(tmp_path: Path) -> None:
    checked = start(tmp_path, "--deploy", "--fail-level=WARNING", **PRODUCTION)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("change", "warnings"),
    [
        ({"PUBLIC_URL": "http://calls.example.org"}, ["W004", "W008", "W012", "W016"]),
        ({"REQUIRE_HTTPS": "false"}, ["W008"]),
        ({"SECRET_KEY": "s" * 50}, ["W009"]),
        ({"SECRET_KEY_FALLBACKS": "s" * 50}, ["W025"]),
        ({"DEBUG": "true"}, ["W018"]),
    ],
)
def test_check_for_deployment_finds_what_is_weak(
    tmp_path: Path, change: dict[str, str], warnings: list[str]
) -> None:
    checked = start(tmp_path, "--deploy", "--fail-level=WARNING", **{**PRODUCTION, **change})

    assert checked.returncode == 1
    assert re.findall(r"security\.(W\d+)", checked.stderr) == warnings


def test_every_setting_is_documented_and_nothing_else() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    read = set(
        re.findall(r'(?:text|integer|decimal|boolean|items|kept_for)\(\s*"([A-Z_]+)"', source)
    )
    page = (ROOT / "docs" / "settings.md").read_text()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert len(set(headings)) == len(headings)
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert documented == read
