"""`cancel_waiting`: what a restored backup holds as waiting is not dialled or sent again."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from calls.restoring import Doubtful, cancel, doubtful
from core.heartbeat import WORKER
from operations.running import is_running


class Command(BaseCommand):
    help = (
        "After a restore and before a worker starts: cancel what waits in the backup and may have "
        "been dialled or sent since it was made. Without --yes it only says what that is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do it")
        parser.add_argument(
            "--stopped-at",
            metavar="TIME",
            help="when the old server stopped, as 2026-11-25T12:00:00Z: calls that are due later "
            "go on waiting; without it, no call does",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = doubtful(stopped_at=_time(options["stopped_at"]))
        self.stdout.write(_counted(found))
        if not options["yes"]:
            self.stdout.write("Nothing is changed yet: say --yes to do it.")
            return
        if is_running(WORKER):
            raise CommandError(
                "A worker was heard from within the last minute: stop all of them, and wait for it"
            )
        cancel(found, now=timezone.now())
        left = found.calls
        if left:
            raise CommandError(f"{left} calls are held by something that runs: stop it, try again")
        self.stdout.write("Done: start the workers.")


def _counted(found: Doubtful) -> str:
    return (
        f"To be canceled: {found.calls} calls and {len(found.messages)} messages. "
        f"To be dialled no further time: {found.to_retry.count()} calls under way."
    )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise CommandError("--stopped-at takes a time with its zone, as 2026-11-25T12:00:00Z")
    return time
