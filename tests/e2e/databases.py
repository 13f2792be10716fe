"""Databases for installs: empty, or a copy of one that was migrated once for this whole run."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

ROOT = Path(__file__).resolve().parents[2]
SQLITE_NAME = "outdial.sqlite3"


@contextmanager
def database(var: Path, *, is_migrated: bool) -> Iterator[dict[str, str]]:
    """The environment of an install with `var` as its VAR_DIR, and a database of its own.

    On PostgreSQL it lasts as long as this context, on SQLite as long as the folder.
    """
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        if is_migrated:
            var.mkdir()
            shutil.copy(_migrated_file(), var / SQLITE_NAME)
        yield {}
        return
    name = _create(f"TEMPLATE {_migrated_database()}" if is_migrated else "")
    try:
        yield {"DATABASE_URL": _url(name)}
    finally:
        _drop(name)


@cache
def _migrated_file() -> Path:
    folder = tempfile.mkdtemp(prefix="outdial-migrated-")
    atexit.register(shutil.rmtree, folder)
    _migrate(VAR_DIR=folder)
    return Path(folder) / SQLITE_NAME


@cache
def _migrated_database() -> str:
    name = _create()
    atexit.register(_drop, name)
    with tempfile.TemporaryDirectory(prefix="outdial-migrated-") as folder:
        _migrate(VAR_DIR=folder, DATABASE_URL=_url(name))
    return name


def _migrate(**environment: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        check=True,
    )


def _create(options: str = "") -> str:
    name = f"outdial_e2e_{uuid4().hex}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {options}".encode())
    return name


def _drop(name: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _url(name: str) -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
