"""Pictures of the admin for the README: `python -m tests.browser.screenshots`.

What they show is what the demo account and the simulated carrier make of it in a minute, moved
apart over a day by tests.browser.spread.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser.browser import Browser, driven
from tests.browser.conftest import PASSWORD, USERNAME, make_operator
from tests.e2e.product import ROOT, Demo, Product, installed, wait_until
from tests.receiver import Received, Receiver, Reply, receiving

MOST_BYTES = 200_000
IMAGES = ROOT / "docs/images"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
LOOKS = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
}
# As they come in a day: most are answered, and each sort of end that the simulated carrier knows.
NUMBERS = ("0123", "0141", "0102", "0168", "0103", "0155", "0117", "0101", "0139", "0184") * 2 + (
    "0106",
    "0104",
)
# A live key has 60 requests a minute.
LIVE, TESTS, LIVE_REQUESTS = 56, 40, 63
NEVER_REPORTED = "+14155550105"
# Counts of requests are written every five seconds.
COUNTED_AFTER = 7.0
SPREAD = "from tests.browser.spread import spread; spread()"


def main(names: list[str]) -> None:
    """Take the pictures of these pages, or of all of them."""
    with staged() as (browser, pages):
        IMAGES.mkdir(parents=True, exist_ok=True)
        for name in names or list(pages):
            for look in LOOKS:
                take(browser, pages[name], look=look, to=IMAGES / f"{name}-{look}.png")


@contextmanager
def staged() -> Iterator[tuple[Browser, dict[str, str]]]:
    """A browser that is logged in, and the paths of the pages by their pictures' names."""
    with (
        TemporaryDirectory() as folder,
        installed(Path(folder), runs_apart=False) as product,
        receiving() as receiver,
        receiving() as gone,
    ):
        # Before it starts, so that it makes no user and no account of its own.
        product.manage("migrate")
        make_operator(product)
        demo = product.make_demo()
        product.boot()
        receiver.reply, gone.reply = busy_now_and_then(), lambda request: Reply(status=410)
        work(demo, receiver, gone)
        settle(product)
        product.manage("shell", "-c", SPREAD)
        with driven(Path(folder), url=product.url) as browser:
            browser.goto("/admin/")
            browser.log_in(username=USERNAME, password=PASSWORD)
            browser.see("Overview")
            yield browser, play(browser, product, demo)


def busy_now_and_then() -> Callable[[Received], Reply]:
    """It refuses some events when they come first, and takes them when they come again."""
    refuses, seen = cycle([False] * 15 + [True]), set[str]()

    def reply(received: Received) -> Reply:
        event = received.headers["webhook-id"]
        is_refused = event not in seen and next(refuses)
        seen.add(event)
        return Reply(status=503) if is_refused else Reply()

    return reply


def work(demo: Demo, receiver: Receiver, gone: Receiver) -> None:
    """What a program does in a day: its calls, what it looks up, what it gets wrong."""
    # It is switched off at the first call that fails.
    body = {"url": gone.url, "events": ["call.failed"]}
    assert demo.test.post("/api/v1/webhooks", body).status_code == 201
    demo.subscribe(receiver.url)
    params = {"customer_name": "Demo", "appointment": "tomorrow at 10"}
    numbers = [f"+1415555{last}" for last in islice(cycle(NUMBERS), LIVE + TESTS)]
    calls = [demo.place(one, key="live", params=params) for one in numbers[:LIVE]]
    for _ in range(LIVE_REQUESTS - LIVE):
        demo.live.get("/api/v1/account")
    calls += [demo.place(one, params=params) for one in numbers[LIVE:]]
    for mistaken in ("12", "+1415", "+14155550110"):
        demo.order(mistaken)
    demo.wait_for_end(calls)
    in_a_day = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="minutes")
    for last in ("0123", "0141", "0168"):
        demo.place(f"+1415555{last}", params=params, scheduledAt=in_a_day)


def settle(product: Product) -> None:
    """Until everything is told, and the requests are counted."""
    pending = "SELECT count(*) FROM webhooks_delivery WHERE status = 'pending'"
    wait_until(lambda: product.rows(pending) == [(0,)], what="all is told")
    time.sleep(COUNTED_AFTER)


def play(browser: Browser, product: Product, demo: Demo) -> dict[str, str]:
    """The paths of the pages by their pictures' names, after an operator has placed a call."""
    browser.goto("/admin/agents/agent/")
    browser.click("a:text-is('Reminders')")
    browser.press("Place a call")
    place = browser.address
    browser.fill(param_0="Demo", to_number="+14155550123")
    browser.press("Place call")
    browser.see("It rang, was answered")
    browser.see("Call again")
    call = browser.address
    for _ in range(3):
        demo.place(NEVER_REPORTED, ringTimeout=300)
    key = first(product, "agents_apikey", "mode = 'live'")
    webhook = first(product, "webhooks_subscription", "status = 'enabled'")
    incident = first(product, "operations_incident", "opened_at IS NOT NULL")
    return {
        "dashboard": "/admin/",
        "call": call,
        "place-call": place,
        "key": f"/admin/agents/apikey/{key}/change/",
        "webhook": f"/admin/webhooks/subscription/{webhook}/change/",
        "incident": f"/admin/operations/incident/{incident}/change/",
    }


def first(product: Product, table: str, where: str) -> str:
    """The id of the first such row, once there is one: rules are checked each minute."""
    query = f"SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT 1"
    return str(wait_until(lambda: product.rows(query), what=query, seconds=90)[0][0])


def take(browser: Browser, path: str, *, look: str, to: Path) -> None:
    size, scheme = LOOKS[look]
    browser.do("setViewportSize", size)
    browser.do("emulateMedia", {"colorScheme": scheme, "reducedMotion": "reduce"})
    browser.goto(path)
    browser.do("waitForLoadState", "networkidle")
    browser.do("waitForTimeout", 300)
    browser.do("screenshot", {"path": str(to)})
    assert to.stat().st_size < MOST_BYTES, to


if __name__ == "__main__":
    main(sys.argv[1:])
