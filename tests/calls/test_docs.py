"""The docs name every reason and error that a call or message can have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import calls
import config.urls  # noqa: F401 - with every view comes every error
from calls.carriers.twilio.reasons import ERRORS, SIP
from calls.explanations import MESSAGE_REASONS, MESSAGE_STATUSES, REASONS
from calls.message_lifecycle import EVENTS, ORDER
from calls.policy import REFUSALS
from core.errors import DomainError

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "calls.md").read_text()
MESSAGES = (DOCS / "sms.md").read_text()
# Said on the Zapier surface only, and in docs/zapier.md.
ZAPIER_ONLY = {"call_id_already_used", "agent_credentials_required", "invalid_agent_credentials"}


def every(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*(every(one) for one in kind.__subclasses__()))


def program() -> Iterator[ast.AST]:
    """All that the code about calls consists of, but for the explanations themselves."""
    for file in Path(calls.__path__[0]).rglob("*.py"):
        if file.name != "explanations.py":
            yield from ast.walk(ast.parse(file.read_text()))


def texts(node: ast.AST) -> set[str]:
    found = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant))
    return {text for text in found if isinstance(text, str) and text}


def keys(table: str) -> list[str]:
    """Those of a dict in calls/explanations.py as they are written, the same ones twice."""
    tree = ast.parse((Path(calls.__path__[0]) / "explanations.py").read_text())
    (written,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == table
    )
    assert isinstance(written, ast.Dict)
    return [ast.literal_eval(key) for key in written.keys if key]


def documented(page: str) -> list[str]:
    table = page.split("## Reasons")[1].split("##")[0]
    heading, *reasons = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert heading == "reason"
    return reasons


def test_every_reason_that_is_given_is_explained() -> None:
    named = (node for node in program() if isinstance(node, ast.keyword) and node.arg == "reason")
    given = {text for keyword in named for text in texts(keyword.value)}
    given |= {*ERRORS.values(), *(reason for _, reason in SIP.values() if reason)}
    assert sorted(given - REASONS.keys()) == []


def test_every_reason_that_is_explained_can_be_given() -> None:
    written = {text for node in program() if isinstance(node, ast.Constant) for text in texts(node)}
    assert sorted(REASONS.keys() - written - REFUSALS.keys()) == []


def test_every_reason_is_explained_once() -> None:
    assert keys("REASONS") == list(REASONS)
    assert sorted(documented(PAGE)) == sorted(REASONS)


def test_a_message_s_reason_is_explained_once_more_where_its_story_is_another() -> None:
    assert keys("MESSAGE_REASONS") == list(MESSAGE_REASONS)
    assert sorted(documented(MESSAGES)) == sorted(MESSAGE_REASONS)
    assert MESSAGE_REASONS.keys() <= REASONS.keys()
    assert [one for one, story in MESSAGE_REASONS.items() if story == REASONS[one]] == []


def test_every_status_of_a_message_is_explained_with_its_event() -> None:
    table = MESSAGES.split("## What becomes of it")[1].split("##")[0]
    documented = re.findall(r"^\| `(\w+)` \|.*\| ?(?:`(sms\.\w+)`)? ?\|$", table, re.MULTILINE)
    assert documented == [(status.value, EVENTS.get(status, "")) for status in ORDER]
    assert list(MESSAGE_STATUSES) == [status.value for status in ORDER]


def test_every_error_code_is_listed() -> None:
    table = PAGE.split("## Errors")[1].split("##")[0]
    documented = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", table)) - {"reset_at"}
    assert documented == {error.code for error in every(DomainError)} - {"conflict"} - ZAPIER_ONLY
