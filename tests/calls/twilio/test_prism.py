"""A call and a message through Prism, which holds both sides against all that Twilio publishes."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from calls.carriers import carrier_named
from calls.carriers.base import MessageOrder
from calls.models import Call, Dial
from core.ids import new_id
from tests import npm
from tests.calls.twilio.conftest import Work, outcome
from tests.calls.twilio.published import FILE
from tests.calls.twilio.standin import SID, TOKEN, StandIn
from tests.e2e.product import free_port

NODE = Path(__file__).parent / "node"
PRISM = "node_modules/@stoplight/prism-cli/dist/index.js"
PUBLISHED = "node_modules/@twilio/cli-core/src/services/twilio-api/twilio_api_v2010.json"


@dataclass
class Installed:
    folder: Path
    node: str

    @property
    def published(self) -> Any:
        return json.loads((self.folder / PUBLISHED).read_text())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Prism and Twilio's own file, from their lock file."""
    node, _ = _tool("node"), _tool("npm")
    return Installed(folder=npm.installed(NODE, factory=tmp_path_factory), node=node)


@pytest.fixture
def prism(
    installed: Installed, twilio: StandIn, settings: Settings, tmp_path: Path
) -> Iterator[str]:
    """A proxy before the stand-in, which refuses what Twilio's file does not allow."""
    api = installed.published
    form = api["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]["requestBody"]
    fields = form["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
    # Prism reads a field that comes several times as its last.
    fields["StatusCallbackEvent"] = {"type": "string"}
    (tmp_path / "api.json").write_text(json.dumps(api))
    port = free_port()
    command = [installed.node, str(installed.folder / PRISM), "proxy"]
    command += ["api.json", twilio.url, "--errors", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "prism.log"
    with (
        log.open("w") as out,
        subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out) as process,
    ):
        try:
            _wait_for(port, log=log)
            settings.TWILIO_API_BASE_URL = f"http://127.0.0.1:{port}"
            yield settings.TWILIO_API_BASE_URL
        finally:
            process.terminate()


@pytest.mark.timeout(420)
@pytest.mark.usefixtures("listening")
def test_a_call_to_its_end(
    prism: str, twilio: StandIn, send: Callable[..., Call], work: Work
) -> None:
    send(maxDuration=30)
    work(for_=timedelta(seconds=5))
    (row,) = twilio.calls
    assert Dial.objects.get().carrier_id == row.sid
    twilio.tell(row, "in-progress")
    work()  # it is asked for, and hung up when it is overdue
    assert outcome() == ("completed", "max_duration")
    assert row.status == "completed"
    assert {(one.method, one.path.rsplit("/", 1)[-1]) for one in twilio.asked} == {
        ("POST", "Calls.json"),
        ("GET", f"{row.sid}.json"),
        ("POST", f"{row.sid}.json"),
    }


@pytest.mark.timeout(420)
def test_a_message(prism: str, twilio: StandIn) -> None:
    order = MessageOrder(
        message_id=new_id(),
        agent_id=new_id(),
        ask=1,
        asked_at=timezone.now(),
        carrier_id="SM" + f"{1:032x}",
        from_number="+14155550100",
        to_number="+14155550123",
        text="Your table is ready",
        callback_url="https://calls.example.org/carriers/twilio/messages/1",
        credentials={"account_sid": SID, "auth_token": TOKEN, "api_base_url": prism},
    )
    carrier = carrier_named("twilio")
    assert carrier.send_sms(order).carrier_id == order.carrier_id
    snapshot = carrier.fetch_sms(order)
    assert snapshot
    assert [report.status for report in snapshot.reports] == ["sending"]


@pytest.mark.timeout(420)
def test_prism_does_refuse(prism: str) -> None:
    url = f"{prism}/2010-04-01/Accounts/{SID}/Calls.json"
    answer = requests.post(url, data={"To": "+14155550123"}, auth=(SID, TOKEN), timeout=20)
    assert answer.status_code == 422
    assert "From" in answer.text


@pytest.mark.timeout(420)
def test_what_every_other_test_holds_requests_against_is_twilios(installed: Installed) -> None:
    ours, theirs = json.loads(FILE.read_text()), installed.published
    for path, operations in ours["paths"].items():
        for name, operation in operations.items():
            assert operation == theirs["paths"][path][name]
    for name, schema in ours["components"]["schemas"].items():
        assert schema == theirs["components"]["schemas"][name]


def test_the_lock_file_installs_from_whatever_registry_npm_knows() -> None:
    lock = (NODE / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "registry" not in lock


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed")
    assert path, f"{name} is not installed"
    return path


def _wait_for(port: int, *, log: Path) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text())
