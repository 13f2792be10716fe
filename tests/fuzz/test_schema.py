"""The API as its schema promises it: asked in every way that the schema allows, and in many that it
does not.

Schemathesis asks a served instance, always the same in one version. For a longer run with other
inputs: `FUZZ_EXAMPLES=300 FUZZ_SEED=7 .venv/bin/python -m pytest tests/fuzz/test_schema.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from agents.models import Account, Agent
from calls.models import Call
from tests.factories import make_key
from webhooks.models import Subscription

IS_LONG_RUN = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "3")
SEED = os.environ.get("FUZZ_SEED", "")
LONGEST_SECONDS = 7200 if IS_LONG_RUN else 600

# What a schema cannot know, so that some requests get past the first check of their fields.
KNOWN = {
    "numbers": ["+14155550123", "+442079460958", "+4915112345678"],
    "urls": ["https://hear.example.org/", "https://hear.example.org:8443/x?y=z"],
    "times": ["2030-01-31T09:00:00Z", "2030-01-31T09:00:00+01:00"],
}
NAMED = {
    "numbers": ["body.toNumber", "body.to_number", "body.fromNumber", "body.number"],
    "urls": ["body.url", "body.callback_url", "body.target_url"],
    "times": ["body.scheduledAt"],
    "agents": ["body.agentId", "body.agent_id", "query.agent_id"],
    "secrets": ["body.agent_secret", "query.agent_secret"],
}


@pytest.mark.skipif(
    connection.vendor == "sqlite" and not IS_LONG_RUN,
    reason="asked on PostgreSQL, which refuses more of what it is given",
)
@pytest.mark.timeout(LONGEST_SECONDS)
def test_every_answer_is_as_the_schema_says(
    live_server: Any, account: Account, agent: Agent, settings: Settings, tmp_path: Path
) -> None:
    # Whoever asks without a key, and with a wrong one, shall hear so each time.
    settings.BAD_KEYS_PER_MINUTE = settings.BAD_AGENT_SECRETS_PER_MINUTE = 1_000_000
    settings.MAX_WEBHOOKS_PER_ACCOUNT = 1_000_000
    key = make_key(account, mode="test", requests_per_minute=1_000_000)
    known = {**KNOWN, "agents": [agent.native_id, str(agent.id)], "secrets": ["wrong"]}
    (tmp_path / "schemathesis.toml").write_text(configured(known))

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{live_server.url}/api/schema/"),
            *("--header", f"X-API-Key: {key}", "--max-examples", EXAMPLES, "--continue-on-failure"),
            *(["--seed", SEED] if SEED else ["--generation-deterministic"]),
            *("--no-color", "--warnings", "off", "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS - 20,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "No issues found" in run.stdout
    # It got far enough to make something.
    assert Call.objects.exists()
    assert Subscription.objects.exists()


def configured(known: dict[str, list[str]]) -> str:
    """schemathesis.toml: some of what it sends, and which answers fit a well-formed request.

    Whether a text is a number, a URL that may be called, a time that is still to come or a cursor
    that we gave out, no schema says: 400 fits too.
    """
    lines = ["[checks.positive_data_acceptance]"]
    lines.append('expected-statuses = ["2xx", "400", "401", "402", "403", "404", "409"]')
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    for name, places in NAMED.items():
        lines += [f'"{place}" = {{ dictionary = "{name}", probability = 0.7 }}' for place in places]
    return "\n".join(lines)
