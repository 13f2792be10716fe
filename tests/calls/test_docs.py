"""The docs name every reason and error that a call or message can have."""

import re
from pathlib import Path

import config.urls  # noqa: F401 - with every view comes every error
from calls.explanations import MESSAGE_REASONS, MESSAGE_STATUSES, REASONS
from calls.message_lifecycle import EVENTS, ORDER
from core.errors import DomainError

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "calls.md").read_text()
MESSAGES = (DOCS / "sms.md").read_text()
# Said on the Zapier surface only, and in docs/zapier.md.
ZAPIER_ONLY = {"call_id_already_used", "agent_credentials_required", "invalid_agent_credentials"}


def every(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*(every(one) for one in kind.__subclasses__()))


def test_every_reason_is_explained() -> None:
    table = PAGE.split("## Reasons")[1].split("##")[0]
    documented = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(documented) == sorted(["reason", *REASONS])


def test_every_reason_of_a_message_is_explained() -> None:
    table = MESSAGES.split("## Reasons")[1].split("##")[0]
    documented = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(documented) == sorted(["reason", *MESSAGE_REASONS])


def test_every_status_of_a_message_is_explained_with_its_event() -> None:
    table = MESSAGES.split("## What becomes of it")[1].split("##")[0]
    documented = re.findall(r"^\| `(\w+)` \|.*\| ?(?:`(sms\.\w+)`)? ?\|$", table, re.MULTILINE)
    assert documented == [(status.value, EVENTS.get(status, "")) for status in ORDER]
    assert list(MESSAGE_STATUSES) == [status.value for status in ORDER]


def test_every_error_code_is_listed() -> None:
    table = PAGE.split("## Errors")[1].split("##")[0]
    documented = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", table)) - {"reset_at"}
    assert documented == {error.code for error in every(DomainError)} - {"conflict"} - ZAPIER_ONLY
