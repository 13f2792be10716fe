"""`web`: one process of the production shape."""

from typing import Any

from django.core.management.base import BaseCommand

from config.apart import serve_web
from config.migrating import migrate


class Command(BaseCommand):
    help = "Answer requests (production shape)."

    def handle(self, *args: Any, **options: Any) -> None:
        migrate()
        serve_web()
