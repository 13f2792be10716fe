"""What rows are kept in: the database, its tables, what is encrypted in them, and the disk."""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cryptography.fernet import InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F, QuerySet

from agents.models import SecondFactor
from calls.models import CarrierCredentials
from core import secrets
from operations.doctor.findings import Finding, failed, first_line, ok, warning
from webhooks.models import Subscription

OLDEST_POSTGRESQL = 14
CROWDED = 0.8
# Of each kind, the oldest, which a key that was taken away no longer opens, and the newest.
SAMPLE = 500
SHOWN = 3
FULL_BYTES = 200 * 1024**2
LOW_BYTES = 1024**3

POSTGRESQL_FACTS = """
SELECT pg_is_in_recovery(), current_setting('fsync') = 'on', current_setting('server_encoding'),
       (SELECT count(*) FROM pg_stat_activity), current_setting('max_connections')::int,
       pg_database_size(current_database())
"""


# The database -------------------------------------------------------------------------------------


def database() -> Iterable[Finding]:
    try:
        return list(_sqlite() if settings.IS_SQLITE else _postgresql())
    except DatabaseError as error:
        where = "VAR_DIR and the disk" if settings.IS_SQLITE else "DATABASE_URL, and that it runs"
        text = f"It does not answer: {first_line(error)}."
        return [failed(text, mend=f"Check {where}. Until then nothing works.")]


def _sqlite() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
        cursor.execute("PRAGMA quick_check(1)")
        (state,) = cursor.fetchone()
    if state != "ok":
        yield failed("The file is damaged.", mend="Stop the server and restore a backup.")
    elif mode != "wal":
        yield warning(
            f"Its journal mode is {mode}, so readers and writers wait for each other.",
            mend="Keep VAR_DIR on a local disk: WAL does not work over a network.",
        )
    else:
        file = str(connection.settings_dict["NAME"])
        files = [path for path in (Path(file), Path(f"{file}-wal")) if path.exists()]
        size = _size(sum(path.stat().st_size for path in files))
        yield ok(f"SQLite {sqlite3.sqlite_version} answers, {size}.")


def _postgresql() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(POSTGRESQL_FACTS)
        is_copy, is_safe, encoding, used, most, size = cursor.fetchone()
    version = connection.pg_version // 10_000  # type: ignore[attr-defined]
    troubles = list(_troubles(is_copy=is_copy, is_safe=is_safe, encoding=encoding, version=version))
    if used > most * CROWDED:
        text = f"{used} of its {most} connections are taken."
        troubles.append(warning(text, mend="Raise max_connections, or put PgBouncer before it."))
    yield from troubles or [
        ok(f"PostgreSQL {version} answers, {_size(size)}, {used} of {most} connections.")
    ]


def _troubles(*, is_copy: bool, is_safe: bool, encoding: str, version: int) -> Iterator[Finding]:
    if is_copy:
        yield failed(
            "It is a standby that takes no writes.", mend="Let DATABASE_URL name the primary."
        )
    if not is_safe:
        yield failed(
            "fsync is off: a power cut loses accepted calls, or all of it.",
            mend="Set fsync = on in postgresql.conf.",
        )
    if encoding != "UTF8":
        yield failed(
            f"Its encoding is {encoding}, which has no room for every text.",
            mend="Make the database anew with ENCODING 'UTF8', and restore into it.",
        )
    if version < OLDEST_POSTGRESQL:
        yield failed(
            f"PostgreSQL {version} is too old.",
            mend=f"Upgrade it to {OLDEST_POSTGRESQL} or newer.",
        )


def migrations() -> Iterable[Finding]:
    executor = MigrationExecutor(connection)
    loader = executor.loader
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    if plan:
        names = _named([f"{one.app_label}.{one.name}" for one, _ in plan])
        text = f"{len(plan)} not applied: {names}."
        return [failed(text, mend="Run manage.py migrate, or start `make web`, which does.")]
    ours = {config.label for config in apps.get_app_configs()}
    ahead = [f"{app}.{name}" for app, name in loader.applied_migrations if app in ours]
    ahead = sorted(set(ahead) - {f"{app}.{name}" for app, name in loader.disk_migrations})
    replaced = {
        f"{app}.{name}" for key in loader.replacements.values() for app, name in key.replaces
    }
    if unknown := [name for name in ahead if name not in replaced]:
        return [
            warning(
                f"The database knows migrations that this code does not: {_named(unknown)}.",
                mend="A newer version has run on it: run that one, or restore the older database.",
            )
        ]
    return [ok(f"All {len(loader.applied_migrations)} are applied.")]


# Secrets ------------------------------------------------------------------------------------------


def stored_secrets() -> Iterable[Finding]:
    looked, closed = 0, list[str]()
    for kind, rows in _encrypted().items():
        texts = {text for text in rows if text}  # of few, the oldest are the newest too
        looked += len(texts)
        unopened = sum(not _opens(text) for text in texts)
        if unopened:
            closed.append(f"{unopened} of {len(texts)} {kind}")
    if closed:
        return [
            failed(
                f"None of ENCRYPTION_KEYS opens {' and '.join(closed)} that were tried.",
                mend="Put the key that encrypted them back, behind the newest one. If it is lost, "
                "rotate those webhooks' secrets, fill in those credentials again, and reset those "
                "operators' two-factor login.",
            )
        ]
    return [ok(f"ENCRYPTION_KEYS opens all that were tried: {looked}.")]


def _encrypted() -> dict[str, Iterator[str]]:
    hooks = Subscription.objects.present()
    return {
        "webhook secrets": _sampled(hooks, "encrypted_secret"),
        "carrier credentials": _sampled(CarrierCredentials.objects.all(), "encrypted"),
        "authenticator apps": _sampled(SecondFactor.objects.all(), "encrypted_secret"),
    }


def _sampled(rows: QuerySet[Any], column: str) -> Iterator[str]:
    for order in (F("created_at").asc(), F("created_at").desc()):
        yield from rows.order_by(order).values_list(column, flat=True)[:SAMPLE]


def _opens(text: str) -> bool:
    try:
        secrets.decrypt(text)
    except (InvalidToken, ValueError):
        return False
    return True


# The disk -----------------------------------------------------------------------------------------


def disk() -> Iterable[Finding]:
    folder = settings.VAR_DIR.resolve()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    text = f"{_size(usage.free)} of {_size(usage.total)} are free in {folder}."
    mend = "Make room, or move VAR_DIR to a larger disk."
    if usage.free < FULL_BYTES:
        return [failed(text, mend=f"{mend} A full one stops everything that writes.")]
    if usage.free < LOW_BYTES:
        return [warning(text, mend=mend)]
    return [ok(text)]


def _named(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
