"""Prometheus' own tool takes the metrics and the rules, and each rule fires when it should."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from django.test import Client

from agents.models import Account, Agent
from operations import usage
from tests.factories import NUMBER, Api
from tests.operations.prometheus.programs import program
from tests.receiver import Receiver
from webhooks.services import subscribe

HERE = Path(__file__).parent
RULES = HERE.parents[2] / "docs/operations/prometheus-rules.yml"


def promtool(*arguments: str, stdin: bytes = b"") -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], input=stdin, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert not done.stderr, done.stderr.decode()


def test_it_takes_what_is_exposed(
    api: Api,
    agent: Agent,
    account: Account,
    receiver: Receiver,
    work: Callable[..., None],
    rolled_up: Callable[[], None],
) -> None:
    subscribe(account, url=receiver.url, events=["call.completed"])
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    rolled_up()
    usage.flush()

    exposed = Client().get("/metrics", headers={"Host": "localhost"}).content

    assert b'status="201",surface="native"} 1.0' in exposed
    promtool("check", "metrics", stdin=exposed)


def test_it_takes_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_each_rule_fires_when_it_should() -> None:
    promtool("test", "rules", str(HERE / "rules_test.yml"))
