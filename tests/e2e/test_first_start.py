"""The embedded default: from the first start to the first webhook, with nothing set up before."""

import json
import re
import socket
import subprocess
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.e2e.conftest import HAS_SERVICES
from tests.e2e.product import Client, Demo, Product, wait_until
from tests.e2e.story import assert_told_once
from tests.receiver import Receiver

without_services = pytest.mark.skipif(HAS_SERVICES, reason="the same with services as without")


def test_printed_curl_places_a_call_that_is_told_of(
    embedded: Product, receiver: Receiver, tool: Callable[[str], str]
) -> None:
    tool("curl")
    embedded.boot()
    greeting = embedded.worker.output
    assert re.search(r"admin / \S{20} ", greeting)
    assert re.search(r"Live key.*: outdial_live_\w+", greeting)
    curl = greeting[greeting.index("curl ") :].split("\n\n")[0]
    key = re.search(r"outdial_test_\w+", curl)
    agent = re.search(r'"agentId": "([0-9a-f-]+)"', curl)
    assert key
    assert agent
    client = Client(url=embedded.url, key=key[0])
    demo = Demo(live=client, test=client, agent_id=agent[1])
    secret = demo.subscribe(receiver.url)

    answer = _run_in_bash(f"{curl} -s -w '\\n%{{http_code}}'")

    body, status = answer.rsplit("\n", 1)
    assert status == "201"
    call_id = json.loads(body)["callId"]
    assert demo.wait_for_end([call_id])[call_id]["status"] == "completed"
    received = receiver.wait_for(2)
    assert_told_once(received, call_id, ["call.started", "call.completed"])
    for request in received:
        assert request.verify(secret)["data"]["callId"] == call_id
        assert request.headers["x-trillet-signature"] == _openssl(tool, request.body, secret)


@without_services
def test_keys_are_the_owners_and_it_is_ready_within_seconds(embedded: Product) -> None:
    embedded.start("run")
    embedded.wait_until_alive()

    wait_until(lambda: embedded.is_answering("/readyz"), what="/readyz answers 200", seconds=4)

    keys = [embedded.folder / "var" / name for name in ("secret_key", "encryption_key")]
    assert [oct(key.stat().st_mode & 0o777) for key in keys] == ["0o600", "0o600"]


@without_services
def test_second_start_keeps_what_there_was_and_prints_no_password(embedded: Product) -> None:
    embedded.boot()
    demo = embedded.make_demo()
    call_id = demo.place("+14155550123")
    embedded.worker.ask_to_stop()
    assert embedded.worker.exit_code() == 0

    embedded.boot()

    assert "admin /" not in embedded.worker.output
    assert "manage.py changepassword admin\n" in embedded.worker.output
    assert "outdial_" not in embedded.worker.output
    assert demo.wait_for_end([call_id])[call_id]["status"] == "completed"
    assert embedded.rows("SELECT count(*) FROM auth_user") == [(1,)]


@without_services
def test_start_on_a_taken_port_makes_nothing_and_the_next_one_prints_the_password(
    embedded: Product,
) -> None:
    with socket.create_server(("127.0.0.1", embedded.port)):
        refused = embedded.start("run")
        assert refused.exit_code() == 1
    assert refused.output == (
        f"Cannot listen on 127.0.0.1:{embedded.port}: Address already in use. "
        "Set PORT to another one\n"
    )

    embedded.boot()

    assert re.search(r"admin / \S{20} ", embedded.worker.output)
    assert "changepassword" not in embedded.worker.output


@without_services
def test_create_demo_works_beside_the_running_server(embedded: Product) -> None:
    embedded.boot()

    first, second = (json.loads(embedded.manage("create_demo", "--json")) for _ in range(2))

    ids = {"account_id", "agent_id", "agent_without_number_id"}
    secrets = {"live_key", "test_key", "agent_secret", "agent_without_number_secret"}
    assert set(first) == ids | secrets
    assert all(str(UUID(first[name])) == first[name] for name in ids)
    assert not set(first.values()) & set(second.values())
    account = Client(url=embedded.url, key=first["live_key"]).get("/api/v1/account").json()
    assert account["credits"] == "1000"
    poor = json.loads(embedded.manage("create_demo", "--json", "--credits", "3"))
    account = Client(url=embedded.url, key=poor["live_key"]).get("/api/v1/account").json()
    assert account["credits"] == "3"


def _run_in_bash(line: str) -> str:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    return done.stdout


def _openssl(tool: Callable[[str], str], payload: bytes, secret: str) -> str:
    """The signature as the guide's own line computes it."""
    line = [tool("openssl"), "dgst", "-sha256", "-hmac", secret]
    printed = subprocess.run(line, input=payload, capture_output=True, check=True).stdout
    return printed.decode().split()[-1]
