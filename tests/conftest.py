"""The cast of every test, and how the workers' time passes."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from agents import throttling
from agents.models import Account, Agent
from calls.dialing import dialing
from calls.sending import sending
from core.drain import Drain
from operations import usage
from tests.factories import Api, make_account, make_agent, make_key
from tests.receiver import Receiver, receiving
from webhooks.delivery import deliveries

# What meets neither database nor Redis is the same on every shape; one of its passes is enough.
SHAPELESS = (
    "agents/test_prompts.py",
    "calls/test_do_not_call_file.py",
    "calls/test_exchange.py",
    "calls/test_hours.py",
    "calls/test_segments.py",
    "calls/twilio/test_prism.py",
    "config/test_settings.py",
    "core/test_http.py",
    "core/test_http_hostile.py",
    "core/test_http_rebinding.py",
    "core/test_http_tls.py",
    "core/test_ids.py",
    "core/test_phone.py",
    "core/test_targets.py",
    "core/test_together.py",
    "faults/test_checks.py",
    "faults/test_plan.py",
)
# Told from a browser or another program. Every page and answer in them is tested on both shapes.
TOLD_ONCE = ("browser", "test_zapier_app.py")
LONG = {"e2e", "faults", "fuzz"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--second-shape",
        action="store_true",
        help="Leave out what another shape has passed, and would be the same on this one",
    )
    parser.addoption(
        "--hosts", action="store_true", help="Run what makes hosts of network namespaces, as root"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is long first, so that what is left to share out at the end is short: booted installs,
    which mostly wait, so a second worker has the core meanwhile, and the walk of the schema."""
    for item in items:
        _set_the_clock_first(item)
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))
    if config.getoption("--second-shape"):
        items[:] = [item for item in items if not _is_the_same_elsewhere(item)]


def _is_the_same_elsewhere(item: pytest.Item) -> bool:
    return item.path.as_posix().endswith(SHAPELESS) or not set(item.path.parts).isdisjoint(
        TOLD_ONCE
    )


def _set_the_clock_first(item: pytest.Item) -> None:
    """What other fixtures make is made by the clock that the test turns, whatever their order."""
    names: list[str] = getattr(item, "fixturenames", [])
    if "clock" in names:
        names.remove("clock")
        names.insert(0, "clock")


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()
    throttling.forget_local_counts()
    usage.forget()


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


@pytest.fixture
def stranger(db: None) -> Account:
    return make_account(name="Somebody else")


@pytest.fixture
def live_key(account: Account) -> str:
    return make_key(account)


@pytest.fixture
def test_key(account: Account) -> str:
    return make_key(account, mode="test")


@pytest.fixture
def agent(account: Account) -> Agent:
    return make_agent(account)


@pytest.fixture
def api(live_key: str) -> Api:
    return Api(live_key)


@pytest.fixture
def test_api(test_key: str) -> Api:
    return Api(test_key)


@pytest.fixture
def stranger_api(stranger: Account) -> Api:
    return Api(make_key(stranger))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that runs on, and that a test may turn forward: past its next minutes there is no
    full hour, so what is counted by the hour falls into one."""
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    begins = this_hour + timedelta(hours=1, minutes=10)
    with time_machine.travel(begins, tick=True) as coordinates:
        yield coordinates


@pytest.fixture
def work(clock: time_machine.Traveller) -> Callable[..., None]:
    """Let workers do all that comes due within `for_`, turning the clock to each moment."""
    drains: list[Drain[Any, Any]] = [dialing(), sending(), deliveries()]

    def work(*, for_: timedelta = timedelta(minutes=2)) -> None:
        until = timezone.now() + for_
        while timezone.now() < until:
            drain()
            times = [due for due in (one.next_due() for one in drains) if due]
            now, coming = timezone.now(), min(times, default=until)
            # Due and yet not done: it waits for its turn, so look again in a while.
            coming = coming if coming > now else now + timedelta(seconds=0.5)
            clock.move_to(min(coming, until) + timedelta(milliseconds=1))
        drain()

    def drain() -> None:
        for one in drains:
            one.run(linger=0)

    return work
