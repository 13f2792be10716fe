"""Several beats: one leads and sends, the others wait until it cannot."""

import json
from itertools import groupby

import psycopg
import redis

from tests.e2e.product import Process, Product, wait_until


def test_one_beat_leads_until_it_loses_its_session_or_its_life(apart: Product) -> None:
    first, second = _two_beats(apart)

    _end_session_of_leader(apart)
    _wait_for(second, "beat_leads")
    wait_until(lambda: _last(first) == "beat_waits", what="who led waits")
    wait_until(lambda: _senders(apart)[-1] == second.popen.pid, what="the second one sends")
    second.kill()
    wait_until(lambda: _last(first) == "beat_leads", what="the first one leads again")
    wait_until(lambda: _senders(apart)[-1] == first.popen.pid, what="the first one sends again")

    assert "beat_lost_the_lead" in first.output
    turns = [first.popen.pid, second.popen.pid, first.popen.pid]
    assert [pid for pid, _ in groupby(_senders(apart))] == turns
    first.ask_to_stop()
    assert first.exit_code(seconds=10) == 0


def _two_beats(product: Product) -> tuple[Process, Process]:
    """Who leads and has sent, and who waits and says for whom."""
    first = product.start("beat")
    _wait_for(first, "beat_leads")
    second = product.start("beat")
    _wait_for(second, "beat_waits")
    waits = json.loads(second.output.splitlines()[-1])
    assert waits["leader"].endswith(f" {first.popen.pid}")
    wait_until(lambda: _senders(product), what="the leading beat sends")
    return first, second


def _end_session_of_leader(product: Product) -> None:
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        )


def _wait_for(beat: Process, event: str) -> None:
    wait_until(lambda: f'"{event}"' in beat.output, what=f"a beat says {event}")


def _last(beat: Process) -> str:
    return str(json.loads(beat.output.splitlines()[-1])["event"])


def _senders(product: Product) -> list[int]:
    """The process that sent each message which waits for a worker, oldest first."""
    with redis.Redis.from_url(product.environment["REDIS_URL"]) as client:
        waiting = client.lrange("celery", 0, -1)
    assert isinstance(waiting, list)
    origins = [json.loads(message)["headers"]["origin"] for message in reversed(waiting)]
    return [int(origin.removeprefix("gen").partition("@")[0]) for origin in origins]
