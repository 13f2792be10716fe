"""`create_demo`: a fresh account with keys and agents, printed once."""

import json
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.demo import CREDITS, create_demo


class Command(BaseCommand):
    help = "Make a fresh account with credits, keys and agents, and print them once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--credits", default=str(CREDITS), help="balance to start with")

    def handle(self, *args: Any, **options: Any) -> None:
        demo = create_demo(credits=_credits(options["credits"])).as_dict()
        if options["json"]:
            self.stdout.write(json.dumps(demo))
            return
        for name, value in demo.items():
            self.stdout.write(f"{name:28} {value}")


def _credits(text: str) -> Decimal:
    try:
        credits = Decimal(text)
    except InvalidOperation:
        raise CommandError("--credits takes a number") from None
    if not credits.is_finite() or not 0 <= credits < 10**9:
        raise CommandError("--credits takes a number from 0 to 999999999")
    return credits
