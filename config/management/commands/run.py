"""`run`: the embedded default, ready for a first call."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.db import transaction

from agents.demo import Demo, create_demo
from agents.models import Account
from config.embedded import serve
from config.listening import listen
from config.migrating import migrate
from core import secrets

ADMIN = "admin"


class Command(BaseCommand):
    help = "Serve web, worker and beat in one process; the first start makes a demo account."

    def handle(self, *args: Any, **options: Any) -> None:
        listener = listen()
        migrate()
        serve(listener, on_ready=self._greet)

    @transaction.atomic
    def _greet(self) -> None:
        """Make what a first start needs, and show its secrets: both or neither."""
        password = _create_admin()
        demo = None if Account.objects.exists() else create_demo()
        self.stdout.write(_greeting(password=password, demo=demo))
        # Into a file or a pipe it would wait in the buffer until the server stops.
        self.stdout.flush()


def _create_admin() -> str | None:
    """The password of the admin user made now; None when there are users already."""
    if User.objects.exists():
        return None
    password = secrets.random_token()[:20]
    User.objects.create_superuser(ADMIN, password=password)
    return password


def _greeting(*, password: str | None, demo: Demo | None) -> str:
    address = f"http://{settings.HOST}:{settings.PORT}"
    login = f"  log in as {ADMIN} / {password}   (shown only now)" if password else ""
    lines = ["", f"Outdial answers on {address}", "", f"Admin  {address}/admin/{login}"]
    lines += [f"API    {address}/api/docs/", ""]
    lines += [] if password else _lost_password()
    lines += _first_call(address, demo) if demo else _later_call()
    return "\n".join([*lines, ""])


def _first_call(address: str, demo: Demo) -> list[str]:
    return [
        "Place a call: nothing rings, nothing is charged (the keys are shown only now)",
        "",
        f"curl -X POST {address}/api/v1/calls/send \\",
        f'  -H "Authorization: Bearer {demo.test_key}" \\',
        '  -H "Content-Type: application/json" \\',
        f'  -d \'{{"agentId": "{demo.agent_id}", "toNumber": "+14155550123"}}\'',
        "",
        "Live key, for carriers that ring phones (the simulated one rings none, and costs credits "
        f"all the same): {demo.live_key}",
    ]


def _lost_password() -> list[str]:
    first = User.objects.filter(is_superuser=True).order_by("id").first()
    command = f"changepassword {first.username}" if first else "createsuperuser"
    return ["Lost the password? Set one with", f".venv/bin/python manage.py {command}", ""]


def _later_call() -> list[str]:
    return [
        "More keys: in the admin, or a fresh demo account from",
        ".venv/bin/python manage.py create_demo",
    ]
