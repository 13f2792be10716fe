"""What several of an operator's days have in common."""

from tests.browser.browser import Browser
from tests.e2e.product import Product


def open_agent(browser: Browser) -> None:
    browser.goto("/admin/agents/agent/")
    browser.click("a:text-is('Reminders')")


def place(browser: Browser, *, number: str) -> None:
    """Place a test call from the agent's page; the browser then shows the call."""
    open_agent(browser)
    browser.press("Place a call")
    browser.fill(param_0="Ada")
    browser.click(f"button:text-is('{number}')")
    browser.press("Place call")
    browser.see("The call is placed.")


def newest_call(product: Product, columns: str = "status") -> tuple[object, ...]:
    query = f"SELECT {columns} FROM calls_call ORDER BY created_at DESC LIMIT 1"
    return product.rows(query)[0]
