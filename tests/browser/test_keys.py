"""What an operator does about keys: rotate them, revoke them, and look at how they are used."""

import pytest

from tests.browser.browser import Browser
from tests.browser.conftest import USERNAME
from tests.e2e.product import Client, Demo, Product, wait_until

# Days of use from elsewhere, as the counters note them, of a key with a limit of two requests.
USED_FOR_DAYS = """
from datetime import timedelta
from django.utils import timezone
from agents.models import Account
from agents.services import create_key
from agents.unusual import note_use

account = Account.objects.get(name="Demo")
key, secret = create_key(account, name="Reports", mode="test", requests_per_minute=2)
hour = timezone.now().replace(minute=0, second=0, microsecond=0)
for days in (5, 4, 3):
    note_use(key.id, hour=hour - timedelta(days=days), requests=9, addresses=["203.0.113.7"])
print(secret)
"""


@pytest.fixture
def used(product: Product, demo: Demo) -> Client:
    """The client of a key that was used from elsewhere for days."""
    return Client(url=product.url, key=product.manage("shell", "-c", USED_FOR_DAYS).split()[-1])


def open_key(browser: Browser, name: str) -> None:
    browser.goto("/admin/agents/apikey/")
    browser.click(f"a:text-is('{name}')")


def answers(client: Client) -> int:
    return int(client.get("/api/v1/account").status_code)


def test_rotates_a_key_with_an_overlap_and_revokes_it(
    browser: Browser, product: Product, demo: Demo
) -> None:
    browser.goto("/admin/agents/apikey/add/")
    browser.choose("account", "Demo")
    browser.fill(name="Dispatch")
    browser.press("Save")
    old = Client(url=product.url, key=browser.do("inputValue", "#secret"))
    browser.press("continue")

    browser.press("Rotate")
    browser.do("selectOption", "[name=overlap]", "1")
    browser.press("Rotate key")
    browser.see("This is the only time the API key is shown.")
    new = Client(url=product.url, key=browser.do("inputValue", "#secret"))

    assert new.key != old.key
    assert (answers(old), answers(new)) == (200, 200)
    browser.press("continue")
    browser.see("Replaces")
    browser.click("a.od-link:has-text('Dispatch')")
    browser.see("Replaced by")
    assert new.key not in browser.do("content")

    browser.press("Revoke")
    browser.see("Programs that use it are refused from now on.")
    browser.press("Revoke key")
    browser.see("The key is revoked.")

    assert (answers(old), answers(new)) == (401, 200)
    assert "Rotate" not in browser.do("innerText", "#main")
    browser.press("History")
    browser.see("takes its place.")
    browser.see("The key is revoked.")
    browser.see(USERNAME)
    rows = (
        "SELECT revoked_at IS NULL FROM agents_apikey WHERE name = 'Dispatch' ORDER BY created_at"
    )
    assert [bool(is_open) for (is_open,) in product.rows(rows)] == [False, True]


def test_looks_at_unusual_use_and_dismisses_it(
    browser: Browser, product: Product, used: Client
) -> None:
    assert [answers(used) for _ in range(3)] == [200, 200, 429]
    marked = "SELECT kind FROM agents_unusualuse WHERE dismissed_at IS NULL"
    assert wait_until(lambda: product.rows(marked), what="it is marked") == [("new_range",)]

    browser.goto("/admin/agents/apikey/?use=unusual")
    browser.click("a:text-is('Reports')")
    browser.see("Unusual use")
    browser.see("127.0.0.0/24")
    # What it was used for: three requests, one of them over the limit.
    browser.see("By hour")
    browser.see("127.0.0.1")
    assert browser.do("innerText", "table:has-text('Over the limit') tbody").split()[-3:] == [
        "3",
        "—",
        "1",
    ]
    assert browser.do("evaluate", "Object.keys(Chart.instances).length") == 1

    browser.press("Dismiss")
    browser.see("Dismiss the unusual use?")
    browser.press("Dismiss")

    browser.see("The unusual use is dismissed.")
    browser.see(f"dismissed by {USERNAME}")
    assert product.rows(marked) == []
    browser.goto("/admin/agents/apikey/?use=unusual")
    browser.see("0 API keys")
