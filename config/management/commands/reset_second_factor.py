"""`reset_second_factor`: for an administrator who lost app and recovery codes."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.second_factor import reset


class Command(BaseCommand):
    help = "Let a user of the admin in by password alone, until they set up another app."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        if not reset(user.pk):
            raise CommandError(f"{username} has no two-factor login.")
        LogEntry.objects.log_actions(
            user.pk,
            [user],
            CHANGE,
            "Reset two-factor login from the command line.",
            single_object=True,
        )
        self.stdout.write(f"{username} logs in by password alone now, and sets it up again.")
