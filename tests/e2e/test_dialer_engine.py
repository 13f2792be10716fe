"""The voice engine of docs/carriers.md, as it is printed there, against a booted server."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests

from tests.e2e.product import ROOT, Demo, Product, free_port, wait_until
from tests.receiver import Receiver

SECRET = "any text will do: äöü"
NUMBER = "+14155550123"


@pytest.fixture
def engine_port(tmp_path: Path) -> Iterator[int]:
    """Where the engine of the docs takes orders."""
    page = (ROOT / "docs/carriers.md").read_text()
    program = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert program
    (tmp_path / "engine.py").write_text(program[1])
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "ENGINE_PORT": str(port), "DIALER_SECRET": SECRET}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "engine.py"], cwd=tmp_path, env=environment
    ) as process:
        wait_until(lambda: is_there(port), what="the engine answers")
        yield port
        assert process.poll() is None
        process.terminate()


@pytest.fixture
def demo(product: Product, engine_port: int) -> Demo:
    product.environment |= {
        "DIALER_URL": f"http://127.0.0.1:{engine_port}/calls",
        "DIALER_SECRET": SECRET,
    }
    product.boot()
    demo = product.make_demo()
    demo.use("dialer")
    return demo


def is_there(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/calls/x", timeout=5).status_code == 401
    except requests.RequestException:
        return False


def test_it_carries_calls_out_and_tells_what_was_said(demo: Demo, receiver: Receiver) -> None:
    demo.subscribe(receiver.url)
    params = {"customer_name": "Ada"}

    ids = [demo.place(f"{NUMBER[:-1]}{n}", key="live", params=params) for n in range(3)]

    for call in demo.wait_for_end(ids).values():
        assert (call["status"], call["reason"]) == ("completed", None)
        assert call["transcript"].startswith("Agent: Hello Ada, this is a reminder")
        assert call["summary"] == "They said thank you."
        assert call["duration"] == 2
    told = [one.json for one in receiver.wait_for(6) if one.json["event"] == "call.completed"]
    assert {one["data"]["callId"] for one in told} == set(ids)
    assert {one["data"]["summary"] for one in told} == {"They said thank you."}


def test_messages_are_refused_at_once(demo: Demo) -> None:
    order = {"agentId": demo.agent_id, "toNumber": NUMBER, "message": "See you at 3."}
    accepted = demo.live.post("/api/v1/sms/send", order)
    assert accepted.status_code == 201, accepted.text
    path = f"/api/v1/sms/{accepted.json()['messageId']}"

    def ended() -> Any:
        message = demo.live.get(path).json()
        return message if message["status"] == "failed" else None

    assert wait_until(ended, what="it is refused")["reason"] == "not_supported"


def test_reports_that_found_nobody_are_asked_for(product: Product, demo: Demo) -> None:
    call_id = demo.place(NUMBER, key="live")
    demo.wait_for(call_id, "in_progress")
    product.throw_away()
    product.processes.clear()
    wait_until(lambda: not product.is_answering("/healthz"), what="the server is gone")
    product.boot()

    call = demo.wait_for_end([call_id], seconds=90)[call_id]
    assert (call["status"], call["duration"]) == ("completed", 2)
    assert call["transcript"].startswith("Agent: Hello")


def test_a_report_may_be_long_and_come_in_chunks(product: Product, demo: Demo) -> None:
    demo.place(NUMBER, key="live")
    dials = wait_until(lambda: product.rows("SELECT id FROM calls_dial"), what="it is dialled")
    body, sent_at = json.dumps({"transcript": "x" * 900_000}).encode(), str(int(time.time()))
    mac = hmac.new(SECRET.encode(), f"r.{sent_at}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": "r",
        "webhook-timestamp": sent_at,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }

    url = f"{product.url}/carriers/dialer/dials/{UUID(str(dials[0][0]))}/status"
    answer = requests.post(url, data=iter([body[:99], body[99:]]), headers=headers, timeout=30)

    # So its signature was right, over the whole of it.
    assert (answer.status_code, answer.text) == (401, "The token is not the one of this order")
