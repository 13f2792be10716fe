"""A version to come brings a large database up to date while the one before works on it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg

from tests.e2e.product import Demo, Product, free_port, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver

CALLS = 200_000
LONGEST_WAIT_SECONDS = 2
# The machine may be busy with other things; locks are what is measured.
PATIENCE_SECONDS = 10
# Of what only waits for others, as an index that is made beside writers does.
WAITED = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - lock.waitstart)), 0)::float
    FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
    WHERE activity.datname = current_database() AND activity.query NOT LIKE '%CONCURRENTLY%'
"""


@dataclass
class Seen:
    call_ids: list[str] = field(default_factory=list)
    slowest_seconds: float = 0
    longest_wait_seconds: float = 0


def test_the_version_before_works_on_while_the_next_one_migrates(
    apart: Product, receiver: Receiver
) -> None:
    apart.boot()
    demo = apart.make_demo()
    secret = demo.subscribe(receiver.url)
    fill(apart, demo)
    with traffic(demo) as seen, locks_watched(apart, seen):
        with backup(apart):
            following = start_next(apart)
            log = following.processes[-1]
            wait_until(
                lambda: log.output.count("migration_waits_for_table") > 1,
                what="it lets others pass, and tries again",
            )
        following.wait_until_alive()
        # Where it goes on with the old worker.
        asked = replace(demo, test=replace(demo.test, url=following.url))
        seen.call_ids.append(asked.place("+14155550123"))
        time.sleep(2)

    assert seen.longest_wait_seconds < LONGEST_WAIT_SECONDS
    assert seen.slowest_seconds < PATIENCE_SECONDS
    assert len(seen.call_ids) > 10
    ended = demo.wait_for_end(seen.call_ids)
    assert {call["status"] for call in ended.values()} == {"completed"}
    received = receiver.wait_for(2 * len(seen.call_ids))
    for call_id in seen.call_ids:
        assert_told_once(received, call_id, ["call.started", "call.completed"])
    received[0].verify(secret)
    index = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'call_next'::regclass"
    assert apart.rows(index) == [(True,)]
    assert apart.rows("SELECT min(next_count), max(next_count) FROM calls_call") == [(0, 0)]


def fill(product: Product, demo: Demo) -> None:
    """So many calls that whoever rewrites or reads all of them takes long."""
    demo.wait_for_end([demo.place("+14155550123")])
    found = product.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'calls_call'"
    )
    others = ", ".join(name for (name,) in found if name != "id")
    product.change(
        f"INSERT INTO calls_call (id, {others}) "
        f"SELECT gen_random_uuid(), {others} FROM calls_call, generate_series(1, {CALLS})"
    )


def start_next(product: Product) -> Product:
    """Web of the next version, beside the one that runs."""
    following = replace(product, port=free_port(), processes=product.processes)
    following.start("web", DJANGO_SETTINGS_MODULE="tests.e2e.next_release.settings")
    return following


@contextmanager
def traffic(demo: Demo) -> Iterator[Seen]:
    """Some calls a second for as long as it lasts; each of them has to be accepted."""
    seen = Seen()

    def place() -> None:
        began = time.monotonic()
        call_id = demo.place("+14155550123")
        seen.call_ids.append(call_id)
        seen.slowest_seconds = max(seen.slowest_seconds, time.monotonic() - began)

    with repeated(place, every=0.15):
        yield seen


@contextmanager
def locks_watched(product: Product, seen: Seen) -> Iterator[None]:
    with psycopg.connect(product.environment["DATABASE_URL"], autocommit=True) as connection:

        def look() -> None:
            row = connection.execute(WAITED).fetchone()
            assert row
            seen.longest_wait_seconds = max(seen.longest_wait_seconds, row[0])

        with repeated(look, every=0.05):
            yield


@contextmanager
def backup(product: Product) -> Iterator[None]:
    """Somebody reads the table, as pg_dump does, and does not hurry."""
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE calls_call IN ACCESS SHARE MODE")
        yield


@contextmanager
def repeated(does: Callable[[], None], *, every: float) -> Iterator[None]:
    ended = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        while not ended.wait(every):
            try:
                does()
            except BaseException as failure:
                failures.append(failure)
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not failures, failures[0]
