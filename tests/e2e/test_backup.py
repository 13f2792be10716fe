"""Backup and restore, by the very commands of docs/operations/backup.md."""

import subprocess
import sys

import pytest

from tests.e2e.product import ROOT, Demo, Product, empty_redis, wait_until
from tests.e2e.story import assert_told
from tests.e2e.switchboard import Switchboard
from tests.receiver import Receiver

PAGE = (ROOT / "docs" / "operations" / "backup.md").read_text()


@pytest.mark.timeout(240)
def test_restored_backup_keeps_everything_and_dials_nobody_again(
    product: Product, switchboard: Switchboard, recorded: Demo, receiver: Receiver
) -> None:
    secret = recorded.subscribe(receiver.url)
    before = recorded.place("+14155553000", key="live")
    recorded.wait_for_end([before])
    product.change("UPDATE agents_account SET max_concurrent_calls = 0")
    waiting = recorded.place("+14155553001", key="live")
    _run(product, "back up")
    product.change("UPDATE agents_account SET max_concurrent_calls = 30")
    after = recorded.place("+14155553002", key="live")
    recorded.wait_for_end([waiting, after])
    receiver.wait_for(6)

    _stop(product)
    _run(product, "restore")
    _forget_redis(product)
    # A minute passes: the backup itself says that something ran within it.
    product.change("UPDATE operations_watermark SET looked_at = NULL")
    product.manage("migrate")
    product.manage("cancel_waiting", "--yes")
    product.boot()

    product.change("UPDATE agents_account SET max_concurrent_calls = 30")
    call = recorded.wait_for_end([waiting])[waiting]
    assert (call["status"], call["reason"]) == ("canceled", "restored")
    assert recorded.call(before)["status"] == "completed"
    assert recorded.live.get(f"/api/v1/calls/{after}").status_code == 404
    again = recorded.place("+14155553003", key="live")
    recorded.wait_for_end([again])
    wait_until(lambda: _told(receiver, again) == 2, what="webhooks are sent")
    assert_told(receiver.requests, again, ["call.started", "call.completed"])
    receiver.requests[-1].verify(secret)
    assert sorted(switchboard.numbers) == [f"+1415555300{n}" for n in range(4)]


def _told(receiver: Receiver, call_id: str) -> int:
    return len([one for one in receiver.requests if one.json["data"]["callId"] == call_id])


def _stop(product: Product) -> None:
    for process in product.processes:
        process.ask_to_stop()
    for process in product.processes:
        assert process.exit_code(seconds=30) == 0


def _forget_redis(product: Product) -> None:
    if url := product.environment.get("REDIS_URL"):
        empty_redis(url)


def _run(product: Product, what: str) -> None:
    """What the page says of it for this install's database, in a folder of the test's."""
    database = "PostgreSQL" if "DATABASE_URL" in product.environment else "SQLite"
    section = PAGE.split(f"## {database}\n")[1].split("\n## ")[0]
    block = section.split(f"To {what}:\n\n```console\n")[1].split("```")[0]
    lines = block.replace("\\\n", " ").replace(".venv/bin/python", sys.executable).splitlines()
    assert all(line.startswith("$ ") for line in lines)
    done = subprocess.run(
        ["bash", "-ec", "\n".join(line.removeprefix("$ ") for line in lines)],
        cwd=product.folder,
        env={**product.environment, "BACKUPS": str(product.folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
