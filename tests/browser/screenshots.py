"""Pictures of the admin for the README: `python -m tests.browser.screenshots`.

What they show is what the demo account and the simulated carrier make of it; nothing is made up.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser.browser import Browser, driven
from tests.browser.conftest import PASSWORD, USERNAME, make_operator
from tests.e2e.product import ROOT, Demo, Product, installed
from tests.receiver import Receiver, Reply, receiving

MOST_BYTES = 200_000
IMAGES = ROOT / "docs/images"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
LOOKS = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
}
# Every sort of end the simulated carrier knows, for a webhook with a history.
NUMBERS = ("0123", "0101", "0102", "0103", "0106", "0123", "0104", "0123")


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
    ):
        product.boot()
        make_operator(product)
        demo = product.make_demo()
        with driven(Path(folder), url=product.url) as browser:
            browser.goto("/admin/")
            browser.log_in(username=USERNAME, password=PASSWORD)
            browser.see("Overview")
            yield browser, play(browser, product, demo, receiver)


def play(browser: Browser, product: Product, demo: Demo, receiver: Receiver) -> dict[str, str]:
    """What an account does on its first day; the paths of the pages that show it."""
    receiver.reply = lambda request: Reply(status=503 if len(receiver.requests) == 4 else 200)
    demo.subscribe(receiver.url)
    params = {"customer_name": "Demo", "appointment": "tomorrow at 10"}
    calls = [demo.place(f"+1415555{last}", params=params) for last in NUMBERS]
    demo.wait_for_end(calls)
    # Five of them were answered, and one delivery is refused at first.
    receiver.wait_for(len(NUMBERS) + 5 + 1)
    browser.goto("/admin/webhooks/subscription/")
    browser.click(f"a:has-text('{receiver.url}')")
    webhook = browser.address
    browser.goto("/admin/agents/agent/")
    browser.click("a:text-is('Reminders')")
    browser.press("Place a call")
    place = browser.address
    browser.fill(param_0="Demo", to_number="+14155550123")
    browser.press("Place call")
    browser.see("It rang, was answered")
    browser.see("Call again")
    call = browser.address
    browser.goto("/admin/agents/apikey/")
    browser.click("a:text-is('Demo, test')")
    return {"call": call, "place-call": place, "webhook": webhook, "key": browser.address}


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
