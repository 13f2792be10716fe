"""The doctor on what an install stands on: each thing is broken, and its answer read."""

import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.conf import settings as product
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account
from calls.models import CarrierCredentials
from core import heartbeat
from operations.doctor import examine, findings, parts, storage
from operations.rollups import roll_up
from tests.operations.doctor.conftest import ask, conversing, visit
from webhooks.services import subscribe

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"SECRET_KEY": "s" * 50, "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}

pytestmark = pytest.mark.django_db
# The doctor asks from threads, whose connections see only what is committed.
committed = pytest.mark.django_db(transaction=True)


@committed
def test_a_healthy_inside() -> None:
    heartbeat.beat(heartbeat.WORKER)
    heartbeat.beat(heartbeat.BEAT)
    assert roll_up()
    names = ["database", "migrations", "secrets", "broker", "cache", "worker", "beat", "figures"]

    seen = visit(*names, "clock", "files")

    assert [one["name"] for one in seen.said["checks"]] == [*names, "clock", "files"]
    assert {one["name"]: one["status"] for one in seen.said["checks"]} == dict.fromkeys(
        [*names, "clock", "files"], "ok"
    )
    assert seen.exit_code == 0


def run_doctor(folder: Path, **environment: str) -> tuple[int, str]:
    """The command as a process of its own; what it prints, traceback and all."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_nothing_answers_and_each_thing_has_its_sentence(tmp_path: Path, closed_port: int) -> None:
    code, said = run_doctor(
        tmp_path,
        PUBLIC_URL=f"http://127.0.0.1:{closed_port}",
        DATABASE_URL=f"postgres://outdial:hush@127.0.0.1:{closed_port}/outdial",
        REDIS_URL=f"redis://:hush@127.0.0.1:{closed_port}/0",
        BROKER_URL=f"amqp://outdial:hush@127.0.0.1:{closed_port}//",
        LOG_LEVEL="ERROR",
        **KEYS,
    )

    assert code == 1
    assert "Traceback" not in said
    assert "hush" not in said
    lines = [line for line in said.splitlines() if line[:1].strip()]
    assert [line.split("  ")[0].split()[0] for line in lines[:-1]] == [
        *["failed", "failed", "failed", "ok"],  # database, migrations, secrets; the disk
        *["failed", "failed", "failed", "failed", "failed", "failed"],  # broker to clock
        *["failed", "failed", "ok", "ok", "ok", "ok"],  # public URL, carriers; mail to users
    ]
    assert "Check DATABASE_URL, and that it runs" in said
    assert "Check BROKER_URL" in said
    assert "Nobody knows: Redis does not answer." in said
    assert "cannot be reached from here: connection refused" in said
    assert lines[-1] == "11 failed, 0 with a warning, 5 ok."


def test_a_check_that_is_none() -> None:
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "datebase")
    assert str(end.value).startswith("There is no check datebase; there are database, migrations,")


# The database -------------------------------------------------------------------------------------


@committed
def test_migrations_that_database_and_code_do_not_share() -> None:
    recorder = MigrationRecorder(connection)
    newest = MigrationLoader(connection).graph.leaf_nodes("operations")[0]
    recorder.record_unapplied(*newest)
    try:
        behind = ask("migrations")
    finally:
        recorder.record_applied(*newest)
    recorder.record_applied("calls", "9999_from_the_future")
    try:
        ahead = ask("migrations")
    finally:
        recorder.record_unapplied("calls", "9999_from_the_future")
    assert behind.status == "failed"
    assert behind.text.startswith(f"1 not applied: operations.{newest[1]}")
    assert ahead.status == "warning"
    assert "calls.9999_from_the_future" in ahead.text


@pytest.mark.skipif(product.IS_SQLITE, reason="PostgreSQL's own")
def test_most_connections_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CROWDED", 0)
    said = ask("database")
    assert said.status == "warning"
    assert "connections are taken" in said.text


@pytest.mark.skipif(product.IS_SQLITE, reason="PostgreSQL's own")
def test_an_old_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "OLDEST_POSTGRESQL", 99)
    assert "is too old" in ask("database").text


@committed
@pytest.mark.skipif(not product.IS_SQLITE, reason="SQLite's own")
def test_sqlite_without_its_log() -> None:
    file = connection.settings_dict["NAME"]
    connection.close()
    with sqlite3.connect(file, isolation_level=None) as lite:
        lite.execute("PRAGMA journal_mode=DELETE")
    # Ours sets it right with each connection, but for one that may not.
    options = connection.settings_dict["OPTIONS"]
    command, options["init_command"] = options["init_command"], ""
    try:
        said = ask("database")
    finally:
        options["init_command"] = command
        connection.close()
    assert said.status == "warning"
    assert "journal mode is delete" in said.text


@pytest.mark.skipif(not product.IS_SQLITE, reason="SQLite's own")
def test_a_file_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outdial.sqlite3").write_bytes(b"no database at all" * 100)
    with monkeypatch.context() as patch:
        patch.setitem(connections.settings["default"], "NAME", str(tmp_path / "outdial.sqlite3"))
        said = ask("database")
        told = ask("secrets")
    assert said.status == told.status == "failed"
    assert "It does not answer: file is not a database." in said.text
    assert "Mend what is said of the database" in told.mend


# Secrets ------------------------------------------------------------------------------------------


@committed
def test_a_key_that_was_taken_away(account: Account, settings: Settings) -> None:
    subscribe(account, url="https://example.org/", events=["sms.sent"])
    credentials = CarrierCredentials(account=account, carrier="dialer")
    credentials.keep({"url": "https://voice.example.org", "secret": "s"})
    credentials.save()
    assert ask("secrets").status == "ok"
    used = settings.ENCRYPTION_KEYS

    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    said = ask("secrets")
    assert said.status == "failed"
    assert "1 of 1 webhook secrets and 1 of 1 carrier credentials" in said.text

    settings.ENCRYPTION_KEYS += used
    assert ask("secrets").status == "ok"


# The disk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "status"), [("LOW_BYTES", "warning"), ("FULL_BYTES", "failed")])
def test_a_disk_with_little_room(monkeypatch: pytest.MonkeyPatch, limit: str, status: str) -> None:
    monkeypatch.setattr(storage, "FULL_BYTES", 0)
    monkeypatch.setattr(storage, limit, 2**70)
    said = ask("disk")
    assert said.status == status
    assert "are free in" in said.text


# Worker, beat, figures ----------------------------------------------------------------------------


def test_neither_worker_nor_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "WORKER_SECONDS", 0.2)
    assert ask("worker").status == ask("beat").status == "failed"
    figures = ask("figures")
    assert figures.status == "warning"
    assert "not added up yet" in figures.text


@pytest.mark.parametrize(
    ("heard", "silent"), [(heartbeat.WORKER, "beat"), (heartbeat.BEAT, "worker")]
)
def test_worker_and_beat_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, heard: str, silent: str
) -> None:
    monkeypatch.setattr(parts, "WORKER_SECONDS", 0.2)
    heartbeat.beat(heard)
    assert ask(heard).status == "ok"
    assert ask(silent).status == "failed"


@committed
def test_figures_that_lag_behind(clock: time_machine.Traveller) -> None:
    assert roll_up()
    assert ask("figures").status == "ok"
    clock.shift(timedelta(minutes=10))
    said = ask("figures")
    assert said.status == "warning"
    assert "for 10 min" in said.text


# The clock ----------------------------------------------------------------------------------------


def telling_time(*, off: float) -> Callable[[bytes], bytes]:
    """A Redis that is so many seconds ahead; all else it takes as it comes."""

    def reply(said: bytes) -> bytes:
        now = f"{time.time() + off:.6f}".split(".")
        told = "*2\r\n" + "".join(f"${len(one)}\r\n{one}\r\n" for one in now)
        known = {b"TIME": told.encode(), b"HELLO": b"%1\r\n+proto\r\n:3\r\n"}
        return b"".join(
            next((known[name] for name in known if name in one), b"+OK\r\n")
            for one in said.split(b"*")
            if one
        )

    return reply


@pytest.mark.parametrize(
    ("off", "status", "side"),
    [
        (0, "ok", ""),
        (4, "warning", "behind"),
        (-4, "warning", "ahead"),
        (60, "failed", "behind"),
    ],
)
def test_redis_has_another_time(settings: Settings, off: float, status: str, side: str) -> None:
    with conversing(telling_time(off=off)) as port:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        said = ask("clock")
    assert said.status == status, said
    assert side in said.text


@pytest.mark.skipif(product.IS_SQLITE, reason="SQLite's clock is ours")
def test_the_database_has_another_time() -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=True):
        said = ask("clock")
    assert said.status == "failed"
    assert re.search(r"is [45] min.* ahead of the database's", said.text)


# A check that hangs, or breaks --------------------------------------------------------------------


def test_what_hangs_or_breaks_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def hangs() -> list[findings.Finding]:
        never.wait()
        return []

    def breaks() -> list[findings.Finding]:
        raise RuntimeError("hush")

    monkeypatch.setattr(examine, "SECONDS", 3)
    for name, check in (("hangs", hangs), ("breaks", breaks)):
        monkeypatch.setitem(examine.CHECKS, name, (name, check))

    seen = visit("hangs", "breaks", "files")
    never.set()

    assert seen.of("hangs").status == "failed"
    assert "No answer within" in seen.of("hangs").text
    assert "RuntimeError" in seen.of("breaks").text
    assert "hush" not in str(seen.said)
    assert seen.of("files").status == "ok"
