"""Settings: strict, loud at start, and each of them documented."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = {"SECRET_KEY": "s" * 50, "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
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


def test_every_setting_is_documented_and_nothing_else() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    read = set(re.findall(r'(?:text|integer|decimal|boolean|items)\(\s*"([A-Z_]+)"', source))
    page = (ROOT / "docs" / "settings.md").read_text()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert len(set(headings)) == len(headings)
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert documented == read
