"""No page of the admin asks more of the database because there are more rows to show."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.access import set_accounts
from agents.credits import top_up
from agents.models import Account, Agent, ApiKey, UnusualUse
from agents.services import rotate_key
from calls.lifecycle import note
from calls.models import Call, Dial
from operations.models import ApiAddress, ApiUsage
from operations.spans import Span, begin_of
from tests.config.pages import every_admin, rows_of
from tests.factories import make_account
from tests.operator import Operator
from webhooks.models import Attempt, Delivery, Event, Subscription
from webhooks.services import subscribe

# Of a list, with the session, the operator and their second factor: rows, and related rows.
MOST_OF_A_LIST = 9
MOST_OF_A_PAGE = 15


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def asked(operator: Operator, path: str) -> int:
    operator.read(path)  # what is kept between requests is there from now on
    with CaptureQueriesContext(connection) as queries:
        operator.read(path)
    return len(queries)


def somebody(account: Account, *, name: str) -> User:
    user = User.objects.create(username=name, is_staff=True)
    user.groups.set(Group.objects.all())
    set_accounts(user, [account])
    return user


def test_lists_do_not_ask_for_each_row(operator: Operator) -> None:
    def fill(number: int) -> None:
        account = make_account(name=f"Account {number}")
        key = rows_of(account)["agents/apikey"]
        assert isinstance(key, ApiKey)
        rotate_key(key, overlap=timedelta(hours=1))
        somebody(account, name=f"user {number}")
        Group.objects.create(name=f"Role {number}").user_set.add(operator.user)

    def counts() -> dict[str, int]:
        return {path: asked(operator, f"{path}/") for path in every_admin()}

    fill(0)
    few = counts()
    for number in range(1, 4):
        fill(number)

    assert counts() == few
    assert max(few.values()) <= MOST_OF_A_LIST, few


def test_pages_do_not_ask_for_each_part(operator: Operator) -> None:
    account = make_account()
    rows = rows_of(account)
    pages = {**rows, "auth/user": somebody(account, name="user")}

    def counts() -> dict[str, int]:
        return {path: asked(operator, f"{path}/{row.pk}/change/") for path, row in pages.items()}

    add_parts(rows, number=0)
    few = counts()
    for number in range(1, 4):
        add_parts(rows, number=number)

    assert counts() == few
    assert max(few.values()) <= MOST_OF_A_PAGE, few


def add_parts(rows: dict[str, Model], *, number: int) -> None:
    """One more of everything that pages list."""
    account, agent = rows["agents/account"], rows["agents/agent"]
    call, key, event = rows["calls/call"], rows["agents/apikey"], rows["webhooks/event"]
    hook = rows["webhooks/subscription"]
    assert isinstance(account, Account)
    assert isinstance(agent, Agent)
    assert isinstance(call, Call)
    assert isinstance(key, ApiKey)
    assert isinstance(event, Event)
    assert isinstance(hook, Subscription)
    now = timezone.now()
    top_up(account, amount=Decimal(10), reason=f"Invoice {number}", actor="olivia")
    dial = Dial.objects.create(
        call=call, number=number + 1, due_at=now, deadline_at=now, ended_at=now, status="busy"
    )
    note(call, type="busy", at=now, dial=dial)
    UnusualUse.objects.create(
        api_key=key, kind="volume", detail="a line", last_at=now, dismissed_at=now
    )
    use = {"api_key": key, "at": begin_of(now - timedelta(hours=number), Span.HOUR)}
    ApiUsage.objects.create(span=Span.HOUR, surface="native", took=3, requests=1, **use)
    ApiAddress.objects.create(address=f"192.0.2.{number}", requests=1, **use)
    for told in (event, event_about(call)):
        endpoint, _ = subscribe(account, url=f"https://hooks.example.org/{number}", events=["test"])
        deliver(told, endpoint)
    deliver(event_about(call), hook)


def event_about(call: Call) -> Event:
    return Event.objects.create(
        account=call.account,
        agent=call.agent,
        type="call.failed",
        subject=call.native_id,
        body="{}",
        created_at=timezone.now(),
    )


def deliver(event: Event, endpoint: Subscription) -> None:
    now = timezone.now()
    delivery = Delivery.objects.create(
        event=event, subscription=endpoint, status="failed", attempts=1, created_at=now
    )
    Attempt.objects.create(delivery=delivery, number=1, started_at=now, duration=0.1)
