"""The operators' buttons about webhooks and deliveries."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from agents.models import Account, Agent
from tests.agents.test_admin import shown_secret
from tests.operator import Operator
from tests.receiver import Receiver
from tests.webhooks.telling import pruned_before_an_update
from webhooks.models import Delivery, Event, Subscription
from webhooks.services import publish, subscribe, subscribe_zap

URL = "https://example.org/hook"
HOOK = {"url": URL, "events": ["call.completed", "call.failed"]}


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


@pytest.fixture
def subscription(account: Account) -> Subscription:
    return subscribe(account, url=URL, events=["call.completed"])[0]


def test_test_event_is_sent_after_asking(
    operator: Operator, account: Account, receiver: Receiver, work: Callable[..., None]
) -> None:
    stored, _ = subscribe(account, url=receiver.url, events=["call.completed"])
    path = f"webhooks/subscription/{stored.id}/send_test_event/"
    assert "it is a test" in operator.read(path)
    assert not Event.objects.exists()

    answer = operator.post(path)
    work()

    assert receiver.events == ["test"]
    assert answer.url == f"/admin/webhooks/delivery/{Delivery.objects.get().id}/change/"


def test_zap_is_tested_too(
    operator: Operator, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    zap = subscribe_zap(agent, url=receiver.url)
    page = f"webhooks/subscription/{zap.id}"
    assert "The Zap runs with a made-up call" in operator.read(f"{page}/send_test_event/")

    operator.post(f"{page}/send_test_event/")
    work()

    assert receiver.requests[0].json["agent_id"] == str(agent.id)
    # Zapier was never shown a secret.
    assert "rotate_secret" not in operator.read(f"{page}/change/")
    assert operator.post(f"{page}/rotate_secret/").status_code == 403


def test_webhook_secret_is_rotated_after_asking(
    operator: Operator, subscription: Subscription
) -> None:
    before = subscription.signing_secrets(now=timezone.now())
    path = f"webhooks/subscription/{subscription.id}/rotate_secret/"
    assert "For 24 hours" in operator.read(path)
    subscription.refresh_from_db()
    assert subscription.signing_secrets(now=timezone.now()) == before

    answer = operator.post(path)

    subscription.refresh_from_db()
    assert subscription.signing_secrets(now=timezone.now()) == [*before, shown_secret(answer)]
    assert "no-store" in answer["Cache-Control"]
    assert shown_secret(answer) not in str(LogEntry.objects.values())


def test_buttons_fit_the_status(operator: Operator, subscription: Subscription) -> None:
    path = f"webhooks/subscription/{subscription.id}"
    offered = {
        "enabled": {"send_test_event", "recover", "pause"},
        "paused": {"resume"},
        "disabled": {"enable"},
    }
    for status, names in offered.items():
        Subscription.objects.update(status=status)
        page = operator.read(f"{path}/change/")
        every = set.union(*offered.values())
        assert {name for name in every if f"/{name}/" in page} == names
        for name in every - names:
            assert operator.get(f"{path}/{name}/").status_code == 403


@pytest.mark.parametrize("verb", ["resume", "enable"])
def test_pause_holds_and_resume_sends(
    operator: Operator, agent: Agent, receiver: Receiver, work: Callable[..., None], verb: str
) -> None:
    stored, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    path = f"webhooks/subscription/{stored.id}"
    assert "held" in operator.read(f"{path}/pause/")

    operator.post(f"{path}/pause/")
    publish("call.completed", agent=agent, data={"callId": "call_1"})
    work()
    assert receiver.requests == []

    Subscription.objects.update(status="paused" if verb == "resume" else "disabled")
    operator.post(f"{path}/{verb}/")
    work()
    assert receiver.events == ["call.completed"]


def test_recover_since(
    operator: Operator, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    stored, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    publish("call.completed", agent=agent, data={"callId": "call_1"})
    Delivery.objects.update(status="failed", next_attempt_at=None)
    path = f"webhooks/subscription/{stored.id}/recover/"
    assert "sent again" in operator.read(path)

    for day, complaint in [("2999-01-01", "in the future"), ("2020-01-01", "more than 14 days")]:
        refused = operator.post(path, since_0=day, since_1="00:00")
        assert complaint in refused.content.decode()
    since = timezone.now() - timedelta(hours=1)
    operator.post(path, since_0=f"{since:%Y-%m-%d}", since_1=f"{since:%H:%M}")
    work()

    assert receiver.events == ["call.completed"]
    assert "1 delivery since" in str(LogEntry.objects.values())


def test_webhook_page_tells_how_it_does(
    operator: Operator, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    stored, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    page = f"webhooks/subscription/{stored.id}/change/"
    assert "Nothing has been told yet" in operator.read(page)

    publish("call.completed", agent=agent, data={"callId": "call_1"})
    work()

    assert "100.0\u00a0%" in operator.read(page)
    assert f"webhooks/delivery/{Delivery.objects.get().id}/change/" in operator.read(page)


@pytest.mark.parametrize(("limit", "is_kept"), [("0", False), ("1", True), ("1001", False)])
def test_requests_a_second(
    operator: Operator, subscription: Subscription, limit: str, is_kept: bool
) -> None:
    operator.post(
        f"webhooks/subscription/{subscription.id}/change/",
        status="enabled",
        requests_per_second=limit,
        **HOOK,
    )
    subscription.refresh_from_db()
    assert subscription.requests_per_second == (int(limit) if is_kept else None)


def test_delivery_is_sent_again(
    operator: Operator, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    publish("call.completed", agent=agent, data={"callId": "call_1"})
    work()
    path = f"webhooks/delivery/{Delivery.objects.get().id}"
    assert "/redeliver/" in operator.read(f"{path}/change/")
    assert "same event id" in operator.read(f"{path}/redeliver/")

    operator.post(f"{path}/redeliver/")
    work()

    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 2
    Subscription.objects.update(status="paused")
    assert "/redeliver/" not in operator.read(f"{path}/change/")
    assert operator.post(f"{path}/redeliver/").status_code == 403


def test_one_that_goes_for_its_age_meanwhile_is_not_found(
    operator: Operator, agent: Agent, subscription: Subscription
) -> None:
    publish("call.completed", agent=agent, data={"callId": "call_1"})
    path = f"webhooks/delivery/{Delivery.objects.get().id}/redeliver/"
    with pruned_before_an_update():
        assert operator.post(path).status_code == 404


def test_selected_deliveries_are_sent_again(
    operator: Operator, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    off, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    for number in range(3):
        publish("call.completed", agent=agent, data={"callId": f"call_{number}"})
    Delivery.objects.update(status="failed", next_attempt_at=None)
    Subscription.objects.filter(id=off.id).update(status="paused")
    left = Delivery.objects.filter(event__subject="call_0").values_list("id", flat=True)
    picked = list(Delivery.objects.exclude(id__in=left).values_list("id", flat=True))

    answer = operator.browser.post(
        "/admin/webhooks/delivery/",
        {"action": "redeliver_selected", "_selected_action": picked},
        follow=True,
    )
    work()

    assert "2 of 4 sent again" in answer.content.decode()
    assert "2 of 4 left alone" in answer.content.decode()
    assert {request.json["data"]["callId"] for request in receiver.requests} == {"call_1", "call_2"}


def test_who_may_only_look_sends_nothing(agent: Agent, subscription: Subscription) -> None:
    publish("call.completed", agent=agent, data={"callId": "call_1"})
    Delivery.objects.update(status="failed", next_attempt_at=None)
    operator = Operator(username="vera", role="Support")
    delivery = Delivery.objects.get()

    for path in [
        *(f"subscription/{subscription.id}/{name}" for name in ("pause", "recover")),
        f"subscription/{subscription.id}/rotate_secret",
        f"subscription/{subscription.id}/send_test_event",
        f"delivery/{delivery.id}/redeliver",
    ]:
        assert operator.post(f"webhooks/{path}/").status_code == 403
    selected = {"action": "redeliver_selected", "_selected_action": [delivery.id]}
    operator.browser.post("/admin/webhooks/delivery/", selected)
    delivery.refresh_from_db()
    assert delivery.status == "failed"
    assert "rotate_secret" not in operator.read(f"webhooks/subscription/{subscription.id}/change/")
