"""`python -m bench.load`: a grown install in DATABASE_URL, and how long the operators' pages take.

Loads, in an empty database, 1,000,000 calls and 3,000,000 deliveries of 20 accounts over 90 days,
with their timelines, dials, events, attempts and messages; then asks for each page a few times,
and writes the server's time and the queries to bench/ADMIN.md. `--measure` only does the latter;
`--calls` loads fewer, and writes nothing down.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from bench.rows import (
    ADDRESSES_SQL,
    API_SQL,
    ATTEMPTS_ROLLED_UP,
    CALLS_ROLLED_UP,
    COUNTED,
    ID_OF,
    OF_CALLS,
    PLACED,
    PLAIN,
    TABLES,
    WAITING,
    WAITING_TOLD,
    Table,
)

CALLS = 1_000_000
DAYS = 90
ACCOUNTS = 20
# Of the names of accounts that are loaded, and no others.
NAME_START = "Clinic "
AGENTS = 3
# Those of the account that calls least.
QUIET_CALLS = 800
# To each account, whose events go to both: three deliveries a call.
WEBHOOKS = 2
# Calls of each agent that are due.
WAITING_CALLS = 300
# Events of each account that are still to be told.
WAITING_EVENTS = 60
CHUNK = 250_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--calls", type=int, default=CALLS)
    arguments.add_argument("--measure", action="store_true", help="load nothing")
    given = arguments.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        sys.exit("python -m bench.load loads PostgreSQL: set DATABASE_URL to an empty database")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")

    import django

    django.setup()
    if not given.measure:
        load(given.calls)

    from bench.pages import measure

    sys.exit(0 if measure(is_whole=given.calls == CALLS) else 1)


def load(calls: int, *, only_calls: bool = False) -> None:
    """With `only_calls` there are no events, deliveries and messages: much less, for many calls."""
    from django.db import connection

    from calls.models import Call
    from config.migrating import migrate
    from operations.rollups import roll_up

    migrate()
    if Call.objects.exists():
        sys.exit("DATABASE_URL has calls already: this is for an empty database")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute(ID_OF)
        make_owners(cursor)
        with said("all rows"), written_at_once(cursor):
            for first in range(1, calls + 1, CHUNK):
                last = min(first + CHUNK - 1, calls)
                with said(f"calls {first:,} to {last:,}"):
                    load_calls(cursor, OF_CALLS if only_calls else TABLES, first=first, last=last)
            insert(cursor, WAITING, {"waiting": WAITING_CALLS})
            for table in [] if only_calls else WAITING_TOLD:
                insert(cursor, table, {"waiting": WAITING_EVENTS})
            cursor.execute(API_SQL, {"days": DAYS})
            cursor.execute(ADDRESSES_SQL, {"days": DAYS})
        with said("rollups"):
            for statement in (CALLS_ROLLED_UP, ATTEMPTS_ROLLED_UP, COUNTED):
                cursor.execute(statement)
        with said("ANALYZE"):
            cursor.execute("VACUUM ANALYZE")
    roll_up()  # it finds nothing more, and says when it looked


@contextmanager
def written_at_once(cursor: Any) -> Iterator[None]:
    """Meanwhile no index is kept up, and no foreign key checked, row by row."""
    tables = sorted({filled_in(name, {})[0] for name, *_ in TABLES})
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes LEFT JOIN pg_constraint ON conname = indexname "
        "WHERE tablename = ANY(%s) AND conname IS NULL",
        [tables],
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if cursor.fetchone()[0]:
        cursor.execute("SET session_replication_role = replica")
    yield
    cursor.execute("SET session_replication_role = origin")
    for name, definition in indexes:
        with said(f"index {name}"):
            cursor.execute(definition)


def make_owners(cursor: Any) -> None:
    """Accounts with agents, keys and webhooks; `owners` says which call is whose."""
    from agents.services import create_agent, create_key, open_account
    from webhooks.events import CALL_COMPLETED, CALL_FAILED, CALL_STARTED
    from webhooks.models import Subscription
    from webhooks.services import subscribe

    cursor.execute(
        "CREATE TEMPORARY TABLE owners (account int, agent int, account_id uuid, agent_id uuid, "
        "live_id uuid, test_id uuid, carrier text)"
    )
    for number in range(ACCOUNTS):
        account = open_account(
            name=f"{NAME_START}{number + 1}", credits=Decimal(300 * number**2 + 40)
        )
        keys = [create_key(account, name=f"CRM, {mode}", mode=mode)[0] for mode in ("live", "test")]
        for place in range(AGENTS):
            carrier = ("twilio", "dialer", "simulated")[place]
            agent, _ = create_agent(
                account, name=f"Agent {place + 1}", default_number="+14155550100", carrier=carrier
            )
            row = [number, place, account.id, agent.id, keys[0].id, keys[1].id, carrier]
            cursor.execute("INSERT INTO owners VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
        for place in range(WEBHOOKS):
            subscribe(
                account,
                url=f"https://hooks-{place}.example.org/{number}",
                events=[CALL_STARTED, CALL_COMPLETED, CALL_FAILED],
            )
    off = Subscription.objects.filter(url__endswith="example.org/7")
    off.update(status="disabled", status_reason="gone")


def load_calls(cursor: Any, tables: list[Table], *, first: int, last: int) -> None:
    values = {"accounts": ACCOUNTS, "agents": AGENTS, "days": DAYS, "quiet": QUIET_CALLS}
    cursor.execute(PLACED, {**values, "first": first, "last": last})
    cursor.execute("ANALYZE placed")
    for table in tables:
        insert(cursor, table)
    cursor.execute("DROP TABLE placed")


def insert(cursor: Any, rows: Table, values: dict[str, int] | None = None) -> None:
    name, columns, source = rows
    table, filled = filled_in(name, columns)
    names, expressions = ", ".join(filled), ", ".join(filled.values())
    cursor.execute(f"INSERT INTO {table} ({names}) SELECT {expressions} FROM {source}", values)  # noqa: S608
    # The next one reads it, and without figures of it PostgreSQL reads it row by row.
    cursor.execute(f"ANALYZE {table}")


def filled_in(name: str, columns: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The model's table, and all of its columns that need a value."""
    from django.apps import apps

    model = apps.get_model(name)
    needed = {
        str(field.column): PLAIN.get(field.get_internal_type(), "1")
        for field in model._meta.concrete_fields
        if not field.null and field.get_internal_type() != "BigAutoField"
    }
    return model._meta.db_table, {**needed, **columns}


@contextmanager
def said(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    sys.stdout.write(f"{what}: {time.monotonic() - began:.1f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
