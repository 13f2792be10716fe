"""History goes by its age: what is over and counted, and nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django import Settings
from structlog.testing import capture_logs

from agents.models import Account, Agent
from calls.lifecycle import note
from calls.models import Call, CallEvent
from config.celery import prune
from operations import pruning, retention
from operations.models import CallRollup, Watermark
from operations.retention import prune_history
from operations.spans import Span
from tests.factories import Api
from tests.operations.conftest import EndCall
from tests.receiver import Receiver
from webhooks.models import Attempt, Delivery, Event, Subscription
from webhooks.services import subscribe

Work = Callable[..., None]
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def hook(account: Account) -> Subscription:
    return subscribe(account, url="https://hear.example.org/", events=["call.completed"])[0]


@pytest.fixture
def tell(hook: Subscription, agent: Agent) -> Callable[..., Delivery]:
    """An event so many days old, its delivery, and an attempt at it."""

    def tell(*, days: int, status: str = "delivered", ended: int | None = None) -> Delivery:
        at = timezone.now() - days * DAY
        event = Event.objects.create(
            account=agent.account, agent=agent, type="call.completed", body="{}", created_at=at
        )
        delivery = Delivery.objects.create(
            event=event,
            subscription=hook,
            status=status,
            created_at=at,
            ended_at=timezone.now() - (days if ended is None else ended) * DAY,
        )
        Attempt.objects.create(delivery=delivery, number=1, started_at=at, duration=0.1)
        return delivery

    return tell


def count_all() -> None:
    for name, log in (("attempts", Attempt), ("calls", CallEvent)):
        newest: Any = log.objects.order_by("-id").first()
        Watermark.objects.update_or_create(
            name=name, defaults={"counted_to": newest.id if newest else 0}
        )


def left() -> tuple[int, int, int]:
    return Event.objects.count(), Delivery.objects.count(), Attempt.objects.count()


def test_what_is_over_goes_with_all_that_was_tried(tell: Callable[..., Delivery]) -> None:
    tell(days=91)
    young = tell(days=89)
    count_all()

    prune_history(now=timezone.now())

    assert left() == (1, 1, 1)
    assert Delivery.objects.get() == young


@pytest.mark.parametrize("status", ["pending", "held"])
def test_what_is_still_to_be_sent_stays(tell: Callable[..., Delivery], status: str) -> None:
    tell(days=400, status=status)
    count_all()
    prune_history(now=timezone.now())
    assert left() == (1, 1, 1)


def test_what_ended_lately_stays_however_long_it_was_held(tell: Callable[..., Delivery]) -> None:
    tell(days=400, ended=3)
    count_all()
    prune_history(now=timezone.now())
    assert left() == (1, 1, 1)


def test_what_is_not_counted_yet_stays(tell: Callable[..., Delivery], end_call: EndCall) -> None:
    now = timezone.now()
    tell(days=91)
    end_call(at=now - 400 * DAY)
    count_all()
    tell(days=91)
    end_call(at=now - 400 * DAY)

    prune_history(now=now)

    assert left() == (1, 1, 1)
    assert CallEvent.objects.count() == 1


def test_nothing_goes_before_the_figures_have_begun(
    tell: Callable[..., Delivery], end_call: EndCall
) -> None:
    tell(days=91)
    end_call(at=timezone.now() - 400 * DAY)
    prune_history(now=timezone.now())
    assert left() == (1, 1, 1)
    assert CallEvent.objects.count() == 1


def test_an_event_that_nobody_was_told_of_goes(agent: Agent) -> None:
    for days in (91, 89):
        at = timezone.now() - days * DAY
        Event.objects.create(account=agent.account, type="sms.sent", body="{}", created_at=at)
    prune_history(now=timezone.now())
    assert left() == (1, 0, 0)


def test_timelines_of_calls_long_over_go_and_the_calls_stay(
    end_call: EndCall, rolled_up: Callable[[], None]
) -> None:
    old = end_call(at=timezone.now() - 366 * DAY)
    young = end_call(at=timezone.now() - 364 * DAY)
    rolled_up()
    before = list(CallRollup.objects.order_by("id").values())

    prune_history(now=timezone.now())
    rolled_up()

    assert set(Call.objects.all()) == {old, young}
    assert [line.call for line in CallEvent.objects.all()] == [young]
    assert list(CallRollup.objects.order_by("id").values()) == before


def test_a_call_that_waits_for_a_year_keeps_its_timeline(
    end_call: EndCall, rolled_up: Callable[[], None]
) -> None:
    call = end_call(at=timezone.now() - 2 * DAY)
    note(call, type="scheduled", at=timezone.now() - 400 * DAY)
    rolled_up()
    prune_history(now=timezone.now())
    assert CallEvent.objects.count() == 2


def test_all_is_kept_for_ever_where_the_settings_say_so(
    tell: Callable[..., Delivery], end_call: EndCall, settings: Settings
) -> None:
    settings.KEEP_EVENTS = settings.KEEP_TIMELINES = None
    tell(days=4000)
    end_call(at=timezone.now() - 4000 * DAY)
    count_all()
    prune_history(now=timezone.now())
    assert left() == (1, 1, 1)
    assert CallEvent.objects.count() == 1


def test_a_run_takes_batch_after_batch_past_what_must_stay(
    tell: Callable[..., Delivery], end_call: EndCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for days in (99, 98, 97, 96, 95):
        tell(days=days)
        tell(days=days, status="held")
    long_waiting = end_call(at=timezone.now())
    CallEvent.objects.all().delete()
    for days in (404, 403, 402, 401, 400):
        end_call(at=timezone.now() - days * DAY)
        note(long_waiting, type="postponed", at=timezone.now() - days * DAY)
    count_all()

    prune_history(now=timezone.now())

    assert left() == (5, 5, 5)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"held"}
    assert [line.type for line in CallEvent.objects.all()] == ["postponed"] * 5


def test_a_run_ends_in_time_and_the_next_goes_on(tell: Callable[..., Delivery]) -> None:
    tell(days=91)
    count_all()
    prune_history(now=timezone.now(), seconds=0)
    assert left() == (1, 1, 1)
    prune_history(now=timezone.now())
    assert left() == (0, 0, 0)


def test_the_hourly_task_prunes_and_forgets_sessions(
    tell: Callable[..., Delivery], account: Account
) -> None:
    tell(days=91)
    count_all()
    for name, expires in (("old", -DAY), ("young", DAY)):
        Session.objects.create(session_key=name, expire_date=timezone.now() + expires)

    prune()

    assert left() == (0, 0, 0)
    assert [one.session_key for one in Session.objects.all()] == ["young"]


def test_what_cannot_be_pruned_keeps_nothing_else(
    tell: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "KEPT_FOR", {Span.DAY: "for ever"})
    tell(days=91)
    count_all()
    Session.objects.create(session_key="old", expire_date=timezone.now() - DAY)

    with capture_logs() as logged:
        prune()

    assert left() == (0, 0, 0)
    assert not Session.objects.exists()
    assert [(one["event"], one["step"]) for one in logged] == [("not_pruned", "forget_old_figures")]


def test_what_was_really_delivered_goes_too(
    test_api: Api,
    agent: Agent,
    receiver: Receiver,
    work: Work,
    rolled_up: Callable[[], None],
) -> None:
    body = {"url": receiver.url, "events": ["call.completed"]}
    test_api.post("/api/v1/webhooks", body)
    test_api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": "+14155550123"})
    work()
    rolled_up()
    assert Attempt.objects.count() == 1

    later: datetime = timezone.now() + 91 * DAY
    prune_history(now=later)

    assert left() == (0, 0, 0)
    assert Call.objects.get().status == "completed"
    answer = test_api.get(f"/api/v1/calls/{Call.objects.get().native_id}/events")
    assert "completed" in [line["type"] for line in answer.json()["results"]]
