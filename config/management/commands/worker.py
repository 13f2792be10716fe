"""`worker`: one process of the production shape."""

from typing import Any

from django.core.management.base import BaseCommand

from config.apart import run_worker


class Command(BaseCommand):
    help = "Dial and deliver (production shape)."

    def handle(self, *args: Any, **options: Any) -> None:
        run_worker()
