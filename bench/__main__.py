"""`make bench`: the figures, on PostgreSQL and Redis, written down beside the code.

`python -m bench accept dial` measures those parts alone, and writes them down beside the others as
they were; `--quick` writes nothing down.
"""

import argparse
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from bench.databases import alone_on, database_variable, own_database
from bench.results import as_table, forget, keep

PARTS = ("accept", "dial", "deliver", "latency", "growth", "growth_of_calls", "footprint")
DATABASE = "outdial_bench"
PEERS = ("straightforward", "django_webhook", "django_outbound_webhooks")
PEER_DATABASES = {database_variable(peer): f"{DATABASE}_{peer}" for peer in PEERS}
SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DIALER_URL": "http://127.0.0.1:9/",
    "DIALER_SECRET": "of-a-benchmark",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them by default")
    arguments.add_argument("--quick", action="store_true", help="a tenth of it, to try it out")
    given = arguments.parse_args()
    # Whoever ends this ends what it started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended"))
    parts = given.parts
    if given.quick:
        os.environ["BENCH_QUICK"] = "1"
    if not os.environ.get("DATABASE_URL") or not os.environ.get("REDIS_URL"):
        sys.exit("make bench measures on PostgreSQL and Redis: set DATABASE_URL and REDIS_URL")
    server, redis = os.environ["DATABASE_URL"], urlsplit(os.environ["REDIS_URL"])
    with ExitStack() as stack:
        stack.enter_context(alone_on(server))
        # Of each peer too: what one has made is in another's way.
        databases = {
            variable: stack.enter_context(own_database(server, name))
            for variable, name in {"DATABASE_URL": DATABASE, **PEER_DATABASES}.items()
        }
        os.environ |= {
            **SETTINGS,
            **databases,
            "SERVER_URL": server,
            "REDIS_URL": redis._replace(path="/7").geturl(),
            "PEER_REDIS_URL": redis._replace(path="/6").geturl(),
            "VAR_DIR": tempfile.mkdtemp(prefix="outdial-bench-"),
        }
        if not parts and not given.quick:
            forget()
        measure(parts or PARTS, is_kept=not given.quick)


def measure(parts: Sequence[str], *, is_kept: bool) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from config.migrating import migrate

    migrate()
    try:
        for part in parts:
            call_command("flush", interactive=False, verbosity=0)
            figures = importlib.import_module(f"bench.{part}").measure()
            sys.stdout.write(f"{part}\n\n{as_table(figures)}\n")
            sys.stdout.flush()
            if is_kept:
                keep(part, figures)
    finally:
        connections.close_all()


if __name__ == "__main__":
    main()
