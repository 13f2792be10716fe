"""The first page in the morning: how things are, and from there to what needs mending."""

from datetime import UTC, datetime, timedelta

from tests.browser.browser import Browser
from tests.e2e.product import Demo, Product, wait_until
from tests.receiver import Received, Receiver, Reply

COUNTED = "SELECT sum(calls) FROM operations_callrollup WHERE span = 3600"
ENDED = "SELECT count(*) FROM calls_call WHERE ended_at IS NOT NULL"
STANDING = """
SELECT delivery.status, attempts FROM webhooks_delivery AS delivery
JOIN webhooks_subscription AS endpoint ON endpoint.id = subscription_id
WHERE url = '{}' ORDER BY delivery.created_at DESC
"""

LISTED = "document.querySelectorAll('#result_list tbody tr').length"
# What the worker does every minute.
CHECK = "from operations.tasks import alert; alert()"
GIVEN_UP = """
from django.utils import timezone
from webhooks.models import Delivery

Delivery.objects.filter(status="delivered").update(status="failed", ended_at=timezone.now())
"""


def ids_of(requests: list[Received]) -> list[str]:
    return sorted(request.headers["webhook-id"] for request in requests)


def figure(browser: Browser, label: str) -> str:
    return str(browser.do("innerText", f".od-tile:has-text('{label}') .od-figure"))


def test_the_dashboard_counts_what_happened(browser: Browser, product: Product, demo: Demo) -> None:
    demo.wait_for_end([demo.place(f"+1415555{last}") for last in ("0101", "0101")])
    wait_until(lambda: product.rows(COUNTED) == product.rows(ENDED), what="all are counted")
    [(ended,)] = product.rows(ENDED)
    [(busy,)] = product.rows("SELECT count(*) FROM calls_call WHERE status = 'busy'")

    browser.goto("/admin/")
    browser.see(f"{ended} ended")
    legend = browser.do("innerText", ".od-legend .od-busy")
    assert legend.split() == ["Busy", str(busy)]
    assert figure(browser, "Calls under way") == "0"
    assert "%" in figure(browser, "Answer rate")
    assert int(figure(browser, "API requests").replace(",", "")) >= 2
    assert browser.do("evaluate", "Object.keys(Chart.instances).length") >= 2

    for range_, words in (("Hour", "hour"), ("Week", "7 days"), ("Month", "30 days")):
        browser.click(f"[aria-label=Range] a:text-is('{range_}')")
        browser.see(f"The last {words}, until")
        browser.see(f"{ended} ended")

    browser.click(".od-legend .od-busy a")
    browser.do("waitForURL", "**/admin/calls/call/?status__exact=busy")
    assert browser.do("evaluate", LISTED) == min(busy, 25)


def test_what_needs_attention_leads_to_where_it_is_mended(
    browser: Browser, product: Product, demo: Demo, hook: Receiver
) -> None:
    def standing() -> list[tuple[object, ...]]:
        return product.rows(STANDING.format(hook.url))

    hook.reply = lambda request: Reply(status=410)
    demo.subscribe(hook.url)
    demo.wait_for_end([demo.place("+14155550101")])
    wait_until(lambda: standing() == [("held", 1)], what="it is disabled")
    demo.wait_for_end([demo.place("+14155550101")])
    product.manage("shell", "-c", CHECK)

    browser.goto("/admin/")
    browser.see("A webhook of Demo is disabled")
    browser.see("410 Gone")
    browser.click(".od-items li:has-text('A webhook of Demo is disabled') a:text-is('Mend it')")
    webhook = browser.address
    hook.reply = lambda request: Reply()
    browser.press("Enable")
    browser.see("What was held is sent.")
    browser.press("Enable webhook")
    browser.see("The webhook is enabled; what was held is on its way.")
    hook.wait_for(3)
    assert hook.requests[0].headers["webhook-id"] in ids_of(hook.requests[1:])

    # Three days of retries are not waited for here.
    wait_until(
        lambda: [status for status, _ in standing()] == ["delivered"] * 2,
        what="both are delivered",
    )
    product.manage("shell", "-c", GIVEN_UP)
    browser.press("Recover")
    since = datetime.now(UTC) - timedelta(hours=1)
    browser.fill(since_0=f"{since:%Y-%m-%d}", since_1=f"{since:%H:%M:%S}")
    browser.press("Send them again")
    browser.see("2 deliveries since")
    assert ids_of(hook.wait_for(5)[3:]) == ids_of(hook.requests[1:3])
    product.manage("shell", "-c", CHECK)
    browser.goto("/admin/")
    browser.see("Needs attention")
    assert "A webhook of Demo is disabled" not in browser.text

    # Several at once, from the list.
    browser.goto(webhook)
    browser.click("a:text-is('All of them')")
    browser.do("waitForURL", "**/admin/webhooks/delivery/?subscription*")
    assert browser.do("evaluate", LISTED) == 2
    for place_ in range(2):
        browser.do("check", f"#result_list [name=_selected_action] >> nth={place_}")
    browser.do("selectOption", "select[name=action]", "redeliver_selected")
    browser.press("Run")
    browser.see("2 of 2 sent again.")
    assert ids_of(hook.wait_for(7)[5:]) == ids_of(hook.requests[1:3])
    wait_until(
        lambda: sorted(standing()) == [("delivered", 3), ("delivered", 4)],
        what="both are delivered once more",
    )
