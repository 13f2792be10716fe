"""The straightforward peer's side of a run: its tables, and rows to work on."""

import os
import subprocess
import sys

from bench.processes import ROOT
from bench.servers import peer_environment

SETTINGS = "bench.peers.straightforward.settings"
MAKE_TABLES = """
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
call_command("flush", interactive=False, verbosity=0)
"""
MAKE_CALLER = """
import hashlib
from bench.peers.straightforward.models import Account, Agent, ApiKey
account = Account.objects.create(name="Clinic", credits=1_000_000_000)
ApiKey.objects.create(account=account, digest=hashlib.sha256(b"key").hexdigest())
agent = Agent.objects.create(
    account=account, default_number="+14155550100", prompt="You call {{name}} at {{time}}."
)
print(agent.id)
"""


def prepare() -> str:
    """Empty tables with one account; the id of its agent."""
    return run(MAKE_TABLES + MAKE_CALLER)


def run(code: str) -> str:
    """What a piece of Python prints in the peer's own Django."""
    start = "import django; django.setup()\n"
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", start + code],
        cwd=ROOT,
        env={
            **os.environ,
            **peer_environment("straightforward"),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


QUEUE = """
from bench.peers.straightforward.models import Agent, Call
from bench.peers.straightforward.tasks import app, dial
agent = Agent.objects.get()
calls = Call.objects.bulk_create(
    Call(
        account_id=agent.account_id,
        agent=agent,
        to_number="+14155552671",
        from_number=agent.default_number,
    )
    for _ in range({calls})
)
for call in calls:
    dial.delay(str(call.id))
"""


def queue(calls: int) -> None:
    """Only so many waiting calls, and a task in the queue for each."""
    run(MAKE_TABLES + MAKE_CALLER + QUEUE.format(calls=calls))
