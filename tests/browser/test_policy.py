"""The browser blocks nothing of our own pages: their policy lets them do all that they do."""

from tests.browser.browser import Browser
from tests.e2e.product import Demo

LISTS = (
    "agents/account",
    "agents/agent",
    "agents/apikey",
    "agents/callerid",
    "agents/ledgerentry",
    "agents/price",
    "calls/call",
    "calls/callingrules",
    "calls/carriercredentials",
    "calls/donotcall",
    "calls/message",
    "webhooks/delivery",
    "webhooks/event",
    "webhooks/subscription",
    "auth/user",
    "auth/group",
)
FORMS = ("agents/account", "agents/agent", "agents/apikey", "calls/donotcall", "auth/user")


def test_no_page_is_blocked(browser: Browser, demo: Demo) -> None:
    pages = [f"/admin/{path}/" for path in LISTS] + [f"/admin/{path}/add/" for path in FORMS]
    for page in ["/admin/", "/admin/calls/donotcall/import/", *pages]:
        browser.goto(page)
        assert browser.do("noticed")["errors"] == [], page

    browser.goto("/admin/")
    assert browser.do("evaluate", "typeof Alpine") == "object"

    browser.goto("/api/docs/")
    browser.do("waitForSelector", ".swagger-ui .opblock-summary")
    assert browser.do("noticed")["errors"] == []


def test_a_script_in_a_page_does_not_run(browser: Browser, demo: Demo) -> None:
    """Or the policy above would be none."""
    browser.goto("/admin/")
    write = "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')"
    browser.do("evaluate", write)
    browser.do("waitForTimeout", 500)
    assert browser.do("evaluate", "window.ran ?? 0") == 0
    # It was noticed, and meant: the pages after it start clean.
    assert "Content Security Policy" in browser.do("noticed")["errors"][-1]
    browser.do("forgive")
