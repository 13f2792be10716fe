"""How long the operators' pages, the API's lists and the workers' claims take at that size.

`measure` asks for each a few times, prints what it took, and writes it to bench/ADMIN.md.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.asked import Asked, claims, lists, pages
from bench.machine import commit, machine

TIMES = 2
REACH_MS = 200
RESULTS = Path(__file__).resolve().parent / "ADMIN.md"
HEAD = """# The admin at a million calls

What `python -m bench.load` measured last: one request after the other in one process, {times}
times each, in milliseconds. *server* and *database* are the time on a processor of the process
that answers and of its PostgreSQL process; *both* is their sum: what a page takes where nothing
else wants the processors. *waited* is the quickest answer by the clock, on a machine that other
work kept busy.

machine: {machine}, load average {load:.1f}  
python: {python}  
postgresql: {postgresql}  
commit: {commit}  
rows: {rows}
"""


@dataclass(frozen=True)
class Took:
    """Milliseconds of one answer, and the number of its queries."""

    name: str
    server: float
    database: float
    waited: float
    queries: int

    @property
    def both(self) -> float:
        return self.server + self.database

    @property
    def row(self) -> str:
        times = (self.both, self.server, self.database, self.waited)
        return f"| {self.name} | {' | '.join(f'{ms:.0f}' for ms in times)} | {self.queries} |"


def measure(*, is_whole: bool) -> bool:
    """Whether each is quick enough."""
    lines = [about()]
    took: list[Took] = []
    for line in sections(took):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        lines.append(line)
    if is_whole:
        RESULTS.write_text("\n".join(lines) + "\n")
    return all(one.both <= REACH_MS for one in took)


def sections(took: list[Took]) -> Iterator[str]:
    """The lines of the tables; what they say is added to `took`."""
    for title, asked in (
        ("The operators' pages", pages()),
        ("Lists of the API", lists()),
        ("Workers' claims, rolled back", claims()),
    ):
        yield from (f"## {title}", "")
        yield from (
            "| what | both | server | database | waited | queries |",
            "|---|---|---|---|---|---|",
        )
        for one in asked:
            took.append(timed(one))
            yield took[-1].row
        yield ""
    slow = [one.name for one in took if one.both > REACH_MS]
    yield f"Over {REACH_MS} ms: {', '.join(slow) or 'none'}."


def timed(asked: Asked) -> Took:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    asked.do()  # the templates are compiled
    waited = []
    server, database = time.process_time(), on_processor()
    for _ in range(TIMES):
        began = time.perf_counter()
        asked.do()
        waited.append(time.perf_counter() - began)
    server, database = time.process_time() - server, on_processor() - database
    with CaptureQueriesContext(connection) as queries:
        asked.do()
    each = 1000 / TIMES
    return Took(asked.name, server * each, database * each, min(waited) * 1000, len(queries))


def on_processor() -> float:
    """Seconds that our PostgreSQL process was on a processor; Linux tells it on the same host."""
    from django.db import connection

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def about() -> str:
    from django.db import connection

    from calls.models import Call, CallEvent, Dial, Message
    from webhooks.models import Attempt, Delivery, Event

    version = connection.pg_version  # type: ignore[attr-defined]
    return HEAD.format(
        times=TIMES,
        machine=machine(),
        load=os.getloadavg()[1],
        python=platform.python_version(),
        postgresql=f"{version // 10_000}.{version % 10_000}",
        commit=commit(),
        rows=", ".join(
            f"{model.objects.count():,} {model._meta.verbose_name_plural}"
            for model in (Call, Dial, CallEvent, Message, Event, Delivery, Attempt)
        ),
    )
