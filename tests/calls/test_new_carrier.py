"""A carrier is one file and one line: the example of docs/carriers.md places a call."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from agents.models import Account
from calls.models import Call, Dial
from tests.factories import NUMBER, Api, make_agent

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "carriers.md").read_text()


@pytest.fixture
def pigeon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The docs' carrier, in a file of its own and listed."""
    program = next(
        code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "Pigeon" in code
    )
    (tmp_path / "pigeon.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    settings.CARRIERS["pigeon"] = "pigeon.PigeonCarrier"
    yield
    del settings.CARRIERS["pigeon"], sys.modules["pigeon"]


def test_the_docs_own_carrier_places_a_call(
    pigeon: None, api: Api, account: Account, work: Callable[..., None]
) -> None:
    agent = make_agent(account, carrier="pigeon")
    answer = api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    assert answer.status_code == 201
    work()

    call = Call.objects.get()
    assert (call.carrier, call.status) == ("pigeon", "completed")
    assert Dial.objects.get().carrier_id == "coo"


def test_the_registry_line_of_the_docs_is_the_products() -> None:
    listed = re.search(r"```python\nCARRIERS = \{\n(.*?)\}", PAGE, re.DOTALL)
    assert listed
    lines = dict(re.findall(r'"(\w+)": "([\w.]+)"', listed[1]))
    assert lines.pop("pigeon") == "calls.carriers.pigeon.PigeonCarrier"
    assert lines.items() <= settings.CARRIERS.items()
