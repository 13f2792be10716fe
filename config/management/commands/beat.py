"""`beat`: one process of the production shape."""

from typing import Any

from django.core.management.base import BaseCommand

from config.apart import run_beat


class Command(BaseCommand):
    help = "Tick (production shape)."

    def handle(self, *args: Any, **options: Any) -> None:
        run_beat()
