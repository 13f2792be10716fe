"""One booted server, and one browser in which an administrator has logged in."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.browser.browser import Browser, chromium, driven
from tests.e2e.conftest import HAS_SERVICES
from tests.e2e.product import Demo, Product, installed
from tests.receiver import Receiver, receiving

RENAME = "from agents.models import Account; Account.objects.update(name='First start')"
USERNAME, PASSWORD = "olivia", "correct horse battery staple"


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    _require_tools()
    with installed(tmp_path_factory.mktemp("product"), runs_apart=HAS_SERVICES) as product:
        product.boot()
        make_operator(product)
        yield product


@pytest.fixture(scope="session")
def demo(product: Product) -> Demo:
    # The one that a first start makes is called Demo too.
    product.manage("shell", "-c", RENAME)
    return product.make_demo()


@pytest.fixture(scope="session")
def browser(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with driven(tmp_path_factory.mktemp("browser"), url=product.url) as browser:
        browser.goto("/admin/")
        browser.log_in(username=USERNAME, password=PASSWORD)
        browser.see("Overview")
        yield browser
        noticed = browser.do("noticed")
        assert noticed["errors"] == []
        # Nothing comes from anywhere else.
        assert noticed["hosts"] == [product.url.removeprefix("http://")]


@pytest.fixture(autouse=True)
def _somebody_looks(browser: Browser, demo: Demo) -> None:
    """Every test has a browser that is logged in, and a demo account."""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def make_operator(product: Product) -> None:
    product.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    product.manage("createsuperuser", "--noinput", "--username", USERNAME, "--email", "")


def _require_tools() -> None:
    """Node stands in every CI; a browser need not, and .ci/run says when it is not there."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            assert not os.environ.get("CI"), f"{tool} is not installed"
            pytest.skip(f"{tool} is not installed")
    if not chromium():
        pytest.skip("no Chromium is on PATH, and CHROMIUM names none")
