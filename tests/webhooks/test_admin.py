"""The operators' pages about webhooks, events and deliveries."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from agents.models import Account, Agent
from core import http, secrets
from tests.agents.test_admin import shown_secret
from tests.factories import NUMBER, Api, make_agent
from tests.operator import Operator
from tests.receiver import Receiver, Reply
from webhooks.explanations import FAILURES
from webhooks.models import Delivery, Event, Subscription, Surface
from webhooks.services import subscribe

URL = "https://example.org/hook"
HOOK = {"url": URL, "events": ["call.completed", "call.failed"]}


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


@pytest.fixture
def subscription(account: Account) -> Subscription:
    return subscribe(account, url=URL, events=["call.completed"])[0]


def test_webhook_secret_is_shown_once(operator: Operator, agent: Agent) -> None:
    answer = operator.post(
        "webhooks/subscription/add/", account=agent.account_id, agent=agent.id, **HOOK
    )

    secret = shown_secret(answer)
    stored = Subscription.objects.get()
    assert (stored.account, stored.agent) == (agent.account, agent)
    assert (stored.url, stored.events) == (HOOK["url"], HOOK["events"])
    assert secrets.decrypt(stored.encrypted_secret) == secret
    later = operator.read("webhooks/subscription/")
    later += operator.read(f"webhooks/subscription/{stored.id}/change/")
    assert secret not in later
    assert stored.encrypted_secret not in later
    assert secret not in str(LogEntry.objects.values())


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"url": "http://example.org/hook"}, "must use https"),
        ({"url": "https://10.0.0.1/hook"}, "not public"),
        ({"url": "nonsense"}, "must be an absolute https URL"),
        ({"events": []}, "This field is required"),
        ({"events": ["call.dreamt"]}, "Select a valid choice"),
    ],
)
def test_webhook_form_says_what_is_wrong(
    operator: Operator, account: Account, fields: dict[str, Any], complaint: str
) -> None:
    answer = operator.post("webhooks/subscription/add/", account=account.id, **{**HOOK, **fields})

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert not Subscription.objects.exists()


def test_webhook_takes_no_foreign_agent(
    operator: Operator, account: Account, stranger: Account
) -> None:
    foreign = make_agent(stranger)

    answer = operator.post(
        "webhooks/subscription/add/", account=account.id, agent=foreign.id, **HOOK
    )

    assert "belongs to another account" in answer.content.decode()
    assert not Subscription.objects.exists()


def test_webhook_is_not_given_a_foreign_agent_later(
    operator: Operator, subscription: Subscription, stranger: Account
) -> None:
    foreign = make_agent(stranger)

    answer = operator.post(
        f"webhooks/subscription/{subscription.id}/change/",
        agent=foreign.id,
        **HOOK,
    )

    assert answer.status_code == 200
    subscription.refresh_from_db()
    assert subscription.agent is None


def test_a_form_that_stood_open_changes_no_status(
    operator: Operator, subscription: Subscription
) -> None:
    Subscription.objects.update(status="disabled", status_reason="gone")
    page = f"webhooks/subscription/{subscription.id}/change/"
    operator.post(page, status="enabled", description="CRM", **HOOK)
    subscription.refresh_from_db()
    assert (subscription.status, subscription.description) == ("disabled", "CRM")


def test_zapiers_webhook_keeps_what_zapier_chose(
    operator: Operator, subscription: Subscription, agent: Agent
) -> None:
    Subscription.objects.update(surface=Surface.ZAPIER, agent=agent)

    operator.post(
        f"webhooks/subscription/{subscription.id}/change/",
        url="https://elsewhere.example.org/",
        events=["call.started"],
        description="The sales Zap",
    )

    subscription.refresh_from_db()
    assert subscription.description == "The sales Zap"
    assert (subscription.url, subscription.events) == (URL, ["call.completed"])
    assert subscription.agent == agent


def test_webhook_is_removed_after_asking(operator: Operator, subscription: Subscription) -> None:
    path = f"webhooks/subscription/{subscription.id}/remove/"
    assert "what was waiting is canceled" in operator.read(path)
    assert Subscription.objects.present().exists()

    operator.post(path)

    assert not Subscription.objects.present().exists()
    assert URL not in operator.read("webhooks/subscription/")
    assert operator.get(path).status_code == 404


def test_webhook_is_never_deleted(operator: Operator, subscription: Subscription) -> None:
    path = f"webhooks/subscription/{subscription.id}/delete/"

    assert operator.post(path, post="yes").status_code == 403
    assert Subscription.objects.exists()


def test_delivery_page_tells_the_whole_exchange(
    operator: Operator,
    api: Api,
    agent: Agent,
    receiver: Receiver,
    work: Callable[..., None],
) -> None:
    receiver.reply = lambda request: Reply(status=500, body=b"<b>broken</b>")
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    delivery = Delivery.objects.get()

    page = operator.read(f"webhooks/delivery/{delivery.id}/change/")

    assert "Attempt 2" in page
    assert "The server answered with an error" in page
    assert "&lt;b&gt;broken&lt;/b&gt;" in page
    assert receiver.requests[0].headers["webhook-signature"] in page
    assert "127.0.0.1" in page
    assert "&quot;toNumber&quot;: &quot;+14155550123&quot;" in page
    assert "retrying" in operator.read("webhooks/delivery/")


def test_deliveries_and_events_are_found_by_every_id(
    operator: Operator,
    api: Api,
    agent: Agent,
    receiver: Receiver,
    work: Callable[..., None],
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    for _ in range(2):
        api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    delivery, other = Delivery.objects.order_by("id")
    ids = [delivery.native_id, str(delivery.id), delivery.event.native_id, delivery.event.subject]

    for text in ids:
        found = operator.read("webhooks/delivery/", q=text)
        assert f"{delivery.id}/change/" in found
        assert f"{other.id}/change/" not in found
    for text in [delivery.event.native_id, str(delivery.event_id), delivery.event.subject]:
        found = operator.read("webhooks/event/", q=text)
        assert f"{delivery.event_id}/change/" in found
        assert f"{other.event_id}/change/" not in found
    assert delivery.event.subject in operator.read(f"webhooks/event/{delivery.event_id}/change/")


@pytest.mark.parametrize("page", ["delivery", "event"])
def test_log_is_only_read(
    operator: Operator,
    api: Api,
    agent: Agent,
    receiver: Receiver,
    work: Callable[..., None],
    page: str,
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    row_id = (Delivery.objects.get() if page == "delivery" else Event.objects.latest("id")).id

    assert operator.get(f"webhooks/{page}/add/").status_code == 403
    assert operator.post(f"webhooks/{page}/{row_id}/change/").status_code == 403
    assert operator.post(f"webhooks/{page}/{row_id}/delete/", post="yes").status_code == 403


def test_every_failure_has_plain_words() -> None:
    named = {name for _, name in http._FAILURES}
    named |= {"dns_lookup_failed", "request_failed", "redirect_refused", "http_error"}
    named |= {"secret_unreadable", "not_recorded"}

    assert named == set(FAILURES)
