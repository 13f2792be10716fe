"""`forget`: erase what is kept of the person with a number."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.forgetting import UnderWay, cancel_all, forget
from calls.models import Erasure
from calls.models.erasure import digests_of
from core.errors import InvalidNumber
from core.phone import to_e164
from core.times import rfc3339
from webhooks.erasing import BeingSent


class Command(BaseCommand):
    help = "Erase what is kept of the person with this number, in every account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="with + and country code, as +14155550123")
        parser.add_argument("--by", default="", help="who does it; else the user of this machine")
        parser.add_argument(
            "--cancel", action="store_true", help="cancel what waits or is under way first"
        )
        parser.add_argument(
            "--when", action="store_true", help="erase nothing; say when it was done before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["when"]:
                self._tell(options["number"])
            else:
                self._forget(options["number"], by=options["by"], cancels=options["cancel"])
        except InvalidNumber:
            raise CommandError("The number must have + and its country code") from None

    def _forget(self, number: str, *, by: str, cancels: bool) -> None:
        if cancels:
            cancel_all(number)
        try:
            done = forget(number, actor=by or getpass.getuser())
        except UnderWay as error:
            then = "Try again in a minute." if cancels else "Wait, or cancel them with --cancel."
            raise CommandError(f"Nothing was erased: {error}. {then}") from None
        except BeingSent as error:
            raise CommandError(f"Nothing was erased: {error}. Try again in a minute.") from None
        self.stdout.write(
            f"Erased what {done.calls} calls, {done.messages} messages and {done.events} events "
            "said of the person."
        )

    def _tell(self, number: str) -> None:
        for done in Erasure.objects.filter(number_digest__in=digests_of(to_e164(number))):
            self.stdout.write(f"{rfc3339(done.created_at)} by {done.actor}")
