"""What an operator does in a day, by mouse and keyboard."""

import requests

from tests.browser.browser import Browser
from tests.browser.conftest import PASSWORD, USERNAME
from tests.browser.steps import newest_call, open_agent, place
from tests.e2e.product import Demo, Product, wait_until
from tests.receiver import Receiver, Reply


def test_logs_in(browser: Browser) -> None:
    browser.open()
    browser.goto("/admin/calls/call/")
    browser.log_in(username=USERNAME, password="wrong")
    browser.see("Please enter the correct")

    browser.log_in(username=USERNAME, password=PASSWORD)

    browser.do("waitForURL", "**/admin/calls/call/")
    browser.goto("/admin/")
    browser.see("Overview")
    browser.see("Webhooks")


def test_creates_a_key_that_is_shown_once(browser: Browser, product: Product) -> None:
    browser.goto("/admin/agents/apikey/add/")
    browser.choose("account", "Demo")
    browser.fill(name="CRM")
    browser.do("selectOption", "[name=mode]", "test")
    browser.press("Save")
    browser.see("This is the only time the API key is shown.")
    key = browser.do("inputValue", "#secret")

    answer = requests.get(f"{product.url}/api/v1/account", headers={"X-API-Key": key}, timeout=10)
    assert answer.json()["name"] == "Demo"
    browser.press("continue")
    browser.do("reload")
    browser.see("CRM")

    assert key not in browser.do("content")
    assert product.rows("SELECT mode FROM agents_apikey WHERE name = 'CRM'") == [("test",)]


def test_places_a_test_call_and_watches_it(browser: Browser, product: Product) -> None:
    place(browser, number="+14155550123")

    browser.see("It rings.")
    browser.see("the conversation goes on.")
    browser.see("It rang, was answered after")

    browser.see("Ended after a conversation")
    browser.see("in the admin by olivia")
    # It has stopped following, and offers what fits a call that has ended.
    browser.see("Call again")
    assert "Live\n" not in browser.text
    assert newest_call(product, "status, mode, operator, to_number") == (
        "completed",
        "test",
        "olivia",
        "+14155550123",
    )


def test_cancels_a_call(browser: Browser, product: Product) -> None:
    place(browser, number="+14155550105")
    browser.press("Cancel")
    browser.see("Cancel this call?")
    browser.press("Cancel call")

    browser.see("The call is being ended.")
    browser.see("It did not ring. It was canceled before anybody answered.")
    assert newest_call(product, "status, reason") == ("canceled", "on_request")


def test_calls_again(browser: Browser, product: Product) -> None:
    place(browser, number="+14155550101")
    browser.see("It did not ring: the line was busy.")
    first = browser.address
    browser.press("Call again")
    browser.see("Call +14155550101 again?")

    browser.press("Call again")
    browser.see("The call is placed.")
    browser.see("It did not ring: the line was busy.")

    assert browser.address != first
    assert newest_call(product, "status, operator") == ("busy", "olivia")


def test_live_call_is_asked_for_once_more(browser: Browser, product: Product) -> None:
    open_agent(browser)
    browser.press("Place a call")
    browser.fill(param_0="Ada", to_number="+1 415 555 0103")
    browser.click("label:has-text('Live')")
    browser.press("Place call")
    browser.see("It costs at most 10 credits")
    browser.press("Place live call")

    browser.see("It rang, and a machine answered after")
    assert newest_call(product, "status, mode, operator") == ("voicemail", "live", "olivia")


def test_looks_after_a_webhook(browser: Browser, product: Product, hook: Receiver) -> None:
    hook.reply = lambda request: Reply(status=500 if len(hook.requests) == 1 else 200)
    browser.goto("/admin/webhooks/subscription/add/")
    browser.choose("account", "Demo")
    browser.fill(url=hook.url)
    browser.press("Save")
    browser.see("This is the only time the signing secret is shown.")
    secret = browser.do("inputValue", "#secret")
    browser.press("continue")
    webhook = browser.address

    browser.press("Send test event")
    browser.see("Send a test event?")
    browser.press("Send test event")
    browser.see("The server answered with an error.")
    assert hook.requests[0].verify(secret)["event"] == "test"

    browser.press("Redeliver")
    browser.press("Redeliver")
    browser.see("The endpoint has it.")
    assert hook.requests[0].headers["webhook-id"] == hook.requests[1].headers["webhook-id"]

    browser.goto(webhook)
    browser.see("Succeeded, of 100 attempts")
    assert browser.do("evaluate", "Object.keys(Chart.instances).length") == 2

    browser.press("More")
    browser.click("a:visible:has-text('Rotate secret')")
    browser.see("Rotate this webhook")
    browser.press("Rotate secret")
    browser.see("This is the only time the signing secret is shown.")
    fresh = browser.do("inputValue", "#secret")
    assert fresh != secret
    place(browser, number="+14155550101")
    told = hook.wait_for(3)[2]
    assert told.verify(fresh)["data"]["status"] == told.verify(secret)["data"]["status"] == "busy"

    outcomes = product.rows("SELECT failure FROM webhooks_attempt ORDER BY id")
    assert outcomes[:2] == [("http_error",), ("",)]

    browser.goto(webhook)
    browser.press("More")
    browser.click("a:visible:has-text('Remove')")
    browser.press("Remove webhook")
    browser.see("The webhook is removed.")


def test_sends_again_what_did_not_arrive(browser: Browser, demo: Demo, hook: Receiver) -> None:
    demo.subscribe(hook.url)
    hook.reply = lambda request: Reply(status=503 if len(hook.requests) == 1 else 200)
    place(browser, number="+14155550101")
    browser.see("1 of 1 webhook deliveries did not arrive.")
    browser.press("Redeliver what did not arrive")
    browser.press("Redeliver")
    browser.see("sent again")
    wait_until(lambda: len(hook.requests) >= 2, what="it was sent again")


def test_tops_up_an_account(browser: Browser, product: Product) -> None:
    browser.goto("/admin/agents/account/")
    browser.click("a:text-is('Demo')")
    browser.press("Top up")
    browser.fill(amount="250", reason="Invoice 7")
    browser.press("Add credits")

    browser.see("Added 250 credits.")
    query = "SELECT credits, actor FROM agents_ledgerentry WHERE reason = 'Invoice 7'"
    assert [(float(credits), actor) for credits, actor in product.rows(query)] == [(250, USERNAME)]


def test_puts_a_number_on_the_do_not_call_list(browser: Browser, product: Product) -> None:
    browser.goto("/admin/calls/donotcall/add/")
    browser.choose("account", "Demo")
    browser.fill(number="+1 415 555 0166")
    browser.press("Save")
    assert product.rows("SELECT number FROM calls_donotcall") == [("+14155550166",)]

    open_agent(browser)
    browser.press("Place a call")
    browser.fill(to_number="+14155550166")
    browser.press("Place call")

    browser.see("The call was not placed. This number is on the account")
    assert not product.rows("SELECT 1 FROM calls_call WHERE to_number = '+14155550166'")


def test_pages_fit_a_phone(browser: Browser) -> None:
    browser.do("setViewportSize", {"width": 390, "height": 844})
    try:
        for path in ("", "calls/call/", "agents/agent/", "webhooks/subscription/"):
            browser.goto(f"/admin/{path}")
            too_wide = "document.documentElement.scrollWidth > innerWidth"
            assert not browser.do("evaluate", too_wide), path
    finally:
        browser.do("setViewportSize", {"width": 1280, "height": 900})
