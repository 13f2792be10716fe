"""A call's page answers "why didn't it ring?", and follows a call that is under way."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission, User

from agents.access import set_accounts
from agents.models import Account, Agent
from calls.models import Call
from tests.calls.test_admin import place
from tests.factories import Api, make_agent
from tests.operator import Operator
from tests.receiver import Receiver, Reply
from webhooks.models import Delivery, Subscription
from webhooks.services import subscribe

Work = Callable[..., None]


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


def read(operator: Operator, call: Call, *, page: str = "change") -> str:
    """The page in plain text."""
    return operator.read(f"calls/call/{call.id}/{page}/").replace("&#x27;", "'")


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize(
    ("number", "story"),
    [
        ("+14155550123", r"It rang, was answered after [\d.]+ s and ended after 3 s\."),
        ("+14155550101", "It did not ring: the line was busy. Call again later"),
        ("+14155550102", "It rang, and nobody answered. Call again later"),
        ("+14155550103", r"It rang, and a machine answered after [\d.]+ s\."),
        ("+14155550104", "It did not ring. The callee's network rejected the call."),
        ("+14155550105", "It did not ring. The carrier took the call and then never said"),
    ],
)
def test_first_sentence_says_what_happened(
    operator: Operator, api: Api, agent: Agent, work: Work, number: str, story: str
) -> None:
    call = place(api, agent, number=number)
    work(for_=timedelta(minutes=5))

    assert re.search(story, read(operator, call))


def test_first_sentence_says_how_far_it_is(
    operator: Operator, api: Api, agent: Agent, work: Work
) -> None:
    call = place(api, agent)
    assert "It waits for its turn. Number 1 in its account's queue" in read(operator, call)

    work(for_=timedelta(seconds=0.2))
    assert "The carrier was asked, and has not said yet that it rings." in read(operator, call)
    work(for_=timedelta(seconds=0.6))
    assert "It rings." in read(operator, call)
    work(for_=timedelta(seconds=2))
    assert "the conversation goes on." in read(operator, call)


def test_page_says_who_asked_and_what_was_missing(
    operator: Operator, api: Api, account: Account
) -> None:
    agent = make_agent(account, greeting="Hello {{name}}, {{time}}?")
    call = place(api, agent, params={"name": "Ada"})

    page = read(operator, call)

    told = words(page)
    assert "The agent speaks of time , which was not given and left empty." in told
    assert "Hello Ada, ?" in told
    assert "Asked for with the key “live key” from 127.0.0.1" in told
    assert call.request_id in told
    assert f"/admin/agents/apikey/{call.api_key_id}/change/" in page


def test_timeline_runs_from_the_request_to_the_webhooks(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda request: Reply(status=500 if len(receiver.requests) == 1 else 200)
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    call = place(api, agent)
    work()

    page = read(operator, call)
    timeline = words(page[page.index("Timeline") : page.index("Webhooks</h2>")])

    lines = [
        "Accepted, waiting for a worker",
        "Asked the carrier: simulated",
        "Ringing",
        "Answered",
        "Published call.started",
        "Ended after a conversation",
        "Published call.completed",
        "For 1 webhook",
        "Could not tell call.completed",
        "attempt 1: 500 after",
        "Told call.completed",
        "attempt 2: 200 after",
    ]
    places = [timeline.index(line) for line in lines]
    assert places == sorted(places)
    assert len(re.findall(r"\+[\d.]+ m?s\b", timeline)) == page.count("<time") - 1
    assert "webhook deliveries did not arrive" not in page


def test_retry_rule_and_each_dial_are_told(
    operator: Operator, api: Api, agent: Agent, work: Work
) -> None:
    rule = {"causes": ["busy", "no_answer"], "attempts": 2, "gaps": [30]}
    call = place(api, agent, number="+14155550101", retry=rule)
    work()

    told = words(read(operator, call))

    assert "After busy or no answer: up to 2 dials in all, 30 s apart" in told
    assert "It was tried as often as its retry rule says." in told
    assert "Ended: the line was busy (dial 2)" in told
    assert "{" not in told.split("What the agent")[0].split("Timeline")[1]


def test_what_did_not_arrive_is_sent_again(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    receiver.reply = lambda request: Reply(status=500 if len(receiver.requests) <= 2 else 200)
    for _ in range(2):
        subscribe(agent.account, url=receiver.url, events=["call.completed"])
    call = place(api, agent)
    work(for_=timedelta(seconds=8))
    path = f"calls/call/{call.id}/redeliver/"
    page = words(read(operator, call))
    assert "2 of 2 webhook deliveries did not arrive. The server answered with an error" in page
    assert "2 deliveries of this call did not arrive" in operator.read(path)

    answer = operator.post(path)
    work()

    assert answer.status_code == 302
    assert {one.status for one in Delivery.objects.all()} == {"delivered"}
    assert "2 deliveries sent again." in operator.read(f"calls/call/{call.id}/history/")
    assert path not in read(operator, call)


def test_what_a_paused_webhook_missed_is_not_offered(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    Subscription.objects.update(status="paused")
    call = place(api, agent)
    work()

    page = read(operator, call)

    assert "1 of 1 webhook deliveries did not arrive. The webhook is paused" in page
    assert f"calls/call/{call.id}/redeliver/" not in page


def test_page_follows_a_call_until_it_has_been_told(
    operator: Operator,
    api: Api,
    agent: Agent,
    receiver: Receiver,
    work: Work,
    clock: time_machine.Traveller,
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    call = place(api, agent)
    page = read(operator, call)
    assert f'data-follow="/admin/calls/call/{call.id}/live/"' in page
    assert "core/follow.js" in page
    assert '<noscript><meta http-equiv="refresh"' in page

    part = read(operator, call, page="live")
    assert 'data-every="1000"' in part
    assert "<html" not in part
    assert "It waits for its turn." in part

    work()

    part = read(operator, call, page="live")
    assert "data-every" not in part
    assert "It rang, was answered" in part
    assert "core/follow.js" not in read(operator, call)

    Delivery.objects.update(status="pending", attempts=0)
    assert 'data-every="1000"' not in read(operator, call, page="live")


def test_page_asks_seldom_about_a_call_for_later(
    api: Api, agent: Agent, clock: time_machine.Traveller
) -> None:
    later = "2026-12-24T10:00:00Z"
    clock.move_to("2026-12-01T10:00:00Z")
    operator = Operator()  # who has logged in before has been logged out meanwhile
    call = place(api, agent, scheduledAt=later)

    page = read(operator, call)

    assert 'data-every="5000"' in page
    assert "It waits until 24 Dec 2026, 10:00:00 to be dialled." in page


def test_part_asks_to_be_allowed(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)
    assert operator.get("calls/call/nonsense/live/").status_code == 404
    viewer = User.objects.create(username="vera", is_staff=True)
    set_accounts(viewer, None)
    operator.browser.force_login(viewer)
    path = f"calls/call/{call.id}"
    assert operator.get(f"{path}/live/").status_code == 403
    assert operator.get(f"{path}/redeliver/").status_code == 403

    viewer.user_permissions.set(Permission.objects.filter(codename="view_call"))

    assert operator.get(f"{path}/live/").status_code == 200
    assert operator.post(f"{path}/redeliver/").status_code == 403


def test_page_runs_no_script_of_its_own(operator: Operator, api: Api, agent: Agent) -> None:
    call = place(api, agent)

    assert "<script" not in read(operator, call, page="live")
    assert "onclick" not in read(operator, call, page="live")
