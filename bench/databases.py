"""Databases for one run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg


@contextmanager
def alone_on(url: str) -> Iterator[None]:
    """Meanwhile no other run measures on this server; SystemExit where one does already.

    A lock is a database's: all take it in the one that every server has.
    """
    maintenance = urlsplit(url)._replace(path="/postgres").geturl()
    with psycopg.connect(maintenance, autocommit=True) as server:
        asked = server.execute("SELECT pg_try_advisory_lock(hashtext('outdial_bench'))")
        if asked.fetchone() != (True,):
            sys.exit("Another run measures on this PostgreSQL already")
        yield


@contextmanager
def own_database(url: str, name: str) -> Iterator[str]:
    """The URL of a database for this run alone, beside the one of `url`."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def database_variable(peer: str) -> str:
    """The environment variable that holds the URL of a peer's own database."""
    return f"DATABASE_URL_{peer.upper()}"
