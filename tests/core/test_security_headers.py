"""What browsers are told: no script but ours, nothing from elsewhere, in nobody's frame."""

import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from core.security_headers import ADMIN_POLICY, DATA_POLICY, PAGE_POLICY
from tests.factories import Api
from tests.operator import Operator

ROOT = Path(__file__).resolve().parents[2]


def scripts_of(policy: str) -> list[str]:
    directives = dict(one.split(" ", 1) for one in policy.split("; "))
    return directives["script-src"].split(" ")


def test_no_policy_is_wider_than_it_must_be() -> None:
    assert scripts_of(ADMIN_POLICY) == ["'self'", "'unsafe-eval'"]
    assert scripts_of(PAGE_POLICY) == ["'self'"]
    for policy in (ADMIN_POLICY, PAGE_POLICY, DATA_POLICY):
        assert policy.startswith("default-src 'none'; ")
        assert "*" not in policy
        assert "http" not in policy


@pytest.mark.parametrize(
    ("path", "status", "policy"),
    [
        ("/admin/login/", 200, ADMIN_POLICY),
        ("/admin/nothing/", 302, PAGE_POLICY),
        ("/api/docs/", 200, PAGE_POLICY),
        ("/api/schema/", 200, DATA_POLICY),
        ("/api/v1/calls", 401, DATA_POLICY),
        ("/api/v1/nothing", 404, DATA_POLICY),
        ("/nothing", 404, PAGE_POLICY),
        ("/healthz", 200, DATA_POLICY),
        ("/static/core/admin.css", 200, DATA_POLICY),
    ],
)
@pytest.mark.django_db
def test_every_answer_says_it(path: str, status: int, policy: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == status
    if status != 302:
        assert answer["Content-Security-Policy"] == policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "microphone=()" in answer["Permissions-Policy"]


def test_what_is_refused_at_the_door_says_it_too(api: Api, settings: Settings) -> None:
    assert api.post("/api/v1/calls/send", b" " * 70_000)["X-Content-Type-Options"] == "nosniff"
    settings.REQUIRE_HTTPS = True
    answer = Client().get("/api/v1/account")
    assert (answer.status_code, answer["Content-Security-Policy"]) == (403, DATA_POLICY)


def test_pages_keep_others_out_of_their_window(db: None) -> None:
    page = Operator().get("")
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page["Referrer-Policy"] == "same-origin"


def test_no_page_of_ours_has_a_script_in_it() -> None:
    """A browser would not run it; so that it is noticed before somebody looks."""
    inline = re.compile(r"<script(?![^>]*\bsrc=)|\son[a-z]+=[\"']|javascript:")
    for template in (ROOT / "templates").rglob("*.html"):
        assert not inline.search(template.read_text()), template


def test_the_docs_page_has_no_script_in_it(db: None) -> None:
    page = Client().get("/api/docs/").content.decode()
    assert len(re.findall("<script", page)) == len(re.findall("<script src=", page)) == 3
