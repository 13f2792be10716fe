"""`rebuild_rollups`: the dashboard's figures of calls and deliveries, counted afresh."""

from typing import Any

from django.core.management.base import BaseCommand

from operations.rollups import rebuild


class Command(BaseCommand):
    help = (
        "Count calls and deliveries afresh, as far back as their history is kept; until it is done "
        "the dashboard shows less."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rebuild()
        self.stdout.write("Calls and deliveries are counted afresh.")
