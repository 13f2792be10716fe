"""Who else may look: a role, and the accounts that it is limited to."""

from collections.abc import Iterator

import pytest

from tests.browser.browser import Browser
from tests.browser.conftest import PASSWORD, USERNAME
from tests.e2e.product import Demo, Product

OWNER, SUPPORT = "oskar", "susan"
MAKE_OWNER = f"""
from django.contrib.auth.models import Group, User
from agents.access import set_accounts

user = User.objects.create_user("{OWNER}", password="{PASSWORD}", is_staff=True)
user.groups.set(Group.objects.filter(name="Owner"))
set_accounts(user, None)
"""
OTHERS = """
from agents.services import create_agent, create_key, open_account

account = open_account(name="Lighthouse", credits=None)
create_key(account, name="Their key", mode="live")
create_agent(account, name="Their agent", default_number="+14155550100")
"""


@pytest.fixture
def as_somebody(browser: Browser) -> Iterator[Browser]:
    """The same browser, in which others log in; the administrator is back afterwards."""
    yield browser
    log_in(browser, USERNAME)
    browser.see("Overview")


def log_in(browser: Browser, username: str) -> None:
    browser.open()
    browser.goto("/admin/")
    browser.log_in(username=username, password=PASSWORD)
    browser.see("Overview")


def test_an_owner_lets_support_look_at_one_account(
    as_somebody: Browser, product: Product, demo: Demo
) -> None:
    browser = as_somebody
    product.manage("shell", "-c", MAKE_OWNER + OTHERS)
    call = demo.place("+14155550101")
    demo.wait_for_end([call])

    log_in(browser, OWNER)
    browser.goto("/admin/auth/user/add/")
    browser.fill(username=SUPPORT, password1=PASSWORD, password2=PASSWORD)
    browser.click("label:has-text('Support')")
    browser.choose("accounts", "Demo")
    browser.press("Save")
    browser.see("was added successfully")
    given = (
        "SELECT g.name, a.name FROM auth_user u JOIN auth_user_groups ug ON ug.user_id = u.id "
        "JOIN auth_group g ON g.id = ug.group_id JOIN agents_operatoraccess x ON x.user_id = u.id "
        f"JOIN agents_account a ON a.id = x.account_id WHERE u.username = '{SUPPORT}'"
    )
    assert product.rows(given) == [("Support", "Demo")]

    log_in(browser, SUPPORT)
    browser.goto("/admin/agents/account/")
    browser.see("1 account")
    for path in ("agents/apikey", "agents/agent"):
        browser.goto(f"/admin/{path}/")
        browser.see("Demo")
        assert "Their" not in browser.text
        assert not browser.do("isVisible", "a[href$='/add/']")

    browser.goto(f"/admin/calls/call/{call}/change/")
    browser.see("It did not ring: the line was busy.")
    assert not browser.do("isVisible", "#main a:has-text('Call again')")
    browser.goto("/admin/agents/apikey/")
    browser.click("a:text-is('Demo, live')")
    browser.see("Last used")
    for button in ("Rotate", "Revoke", "Save"):
        assert not browser.do("isVisible", f"#main :is(a, button):text-is('{button}')"), button
    # Not by its address either.
    browser.goto("/admin/agents/apikey/add/")
    browser.see("This is not yours to see")
