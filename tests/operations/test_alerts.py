"""Each alert is told once when it begins and once when it is over, and not for nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from agents import unusual
from agents.credits import top_up
from agents.models import Account, Agent, ApiKey
from calls.models import Call, Dial
from config.celery import app, prune
from core.observing import Answered
from operations import usage
from operations.alerts import KINDS
from operations.models import AlertRule, Incident, Notice
from operations.tasks import alert
from tests.factories import Api, make_account, make_agent
from tests.operations.conftest import EndCall
from tests.operations.watching import Watch, told
from tests.receiver import Receiver
from tests.webhooks.telling import tell
from webhooks import health
from webhooks.delivery import deliveries
from webhooks.models import Subscription
from webhooks.services import subscribe

Mend = Callable[[], object]


@dataclass
class Cast:
    """What can go wrong, and by whom."""

    account: Account
    agent: Agent
    api: Api
    end_call: EndCall
    receiver: Receiver
    watch: Watch

    @property
    def key(self) -> ApiKey:
        return self.account.api_keys.get()

    def subscribe(self) -> Subscription:
        return subscribe(self.account, url=self.receiver.url, events=["call.completed"])[0]

    def fail_calls(self, count: int, **fields: Any) -> None:
        for _ in range(count):
            self.end_call(at=timezone.now(), status="failed", talked=None, **fields)

    def ask(self, count: int, *, status: int = 200, seconds: float = 0.01, **fields: Any) -> None:
        """So many requests, as the middleware tells of them."""
        answered = {
            "key_id": self.key.id,
            "surface": "native",
            "method": "GET",
            "route": "/api/v1/account",
            "address": "203.0.113.7",
            **fields,
        }
        for _ in range(count):
            usage.record(Answered(at=timezone.now(), status=status, seconds=seconds, **answered))


@pytest.fixture
def cast(
    watch: Watch,
    account: Account,
    agent: Agent,
    api: Api,
    end_call: EndCall,
    receiver: Receiver,
) -> Cast:
    return Cast(account, agent, api, end_call, receiver, watch)


def nothing() -> None:
    """It passes by itself."""


def api_errors(cast: Cast) -> Mend:
    order = {"agentId": cast.agent.native_id, "toNumber": "+14155550109"}
    for _ in range(5):
        assert cast.api.post("/api/v1/calls/send", order).status_code == 500
    return nothing


def api_slow(cast: Cast) -> Mend:
    cast.ask(50, seconds=2.0)
    return nothing


def carrier_failing(cast: Cast) -> Mend:
    cast.fail_calls(3, reason="carrier_silent", carrier="twilio")
    return nothing


def calls_stuck(cast: Cast) -> Mend:
    call = cast.end_call()
    Call.objects.filter(id=call.id).update(status="ringing", ended_at=None)
    dial = Dial.objects.create(call=call, due_at=timezone.now(), deadline_at=timezone.now())
    return lambda: Dial.objects.filter(id=dial.id).update(ended_at=timezone.now())


def agent_failing(cast: Cast) -> Mend:
    cast.fail_calls(5, reason="rejected")
    return lambda: [cast.end_call(at=timezone.now(), talked=1) for _ in range(12)]


def webhook_disabled(cast: Cast) -> Mend:
    webhook = cast.subscribe()
    health.disable(webhook, reason="gone")
    path = f"/api/v1/webhooks/{webhook.native_id}"
    return lambda: cast.api.patch(path, {"status": "enabled"})


def webhook_failing(cast: Cast) -> Mend:
    cast.subscribe()
    Subscription.objects.update(failures_in_row=5, failing_since=timezone.now())
    return lambda: Subscription.objects.update(failures_in_row=0, failing_since=None)


def deliveries_late(cast: Cast) -> Mend:
    cast.subscribe()
    tell(cast.agent)
    return lambda: deliveries().run(linger=0)


def credits_low(cast: Cast) -> Mend:
    poor = make_account(name="Poor", credits="5")
    return lambda: top_up(poor, amount=Decimal(100), reason="")


def key_unusual(cast: Cast) -> Mend:
    key = cast.key
    for day in range(4):
        unusual.note_use(
            key.id,
            hour=timezone.now() - timedelta(days=4 - day),
            requests=20,
            addresses=["203.0.113.7"],
        )
    unusual.note_use(key.id, hour=timezone.now(), requests=1, addresses=["198.51.100.1"])
    return lambda: unusual.dismiss(key, actor="olivia")


TROUBLES: dict[str, Callable[[Cast], Mend]] = {
    one.__name__: one
    for one in (
        api_errors,
        api_slow,
        carrier_failing,
        calls_stuck,
        agent_failing,
        webhook_disabled,
        webhook_failing,
        deliveries_late,
        credits_low,
        key_unusual,
    )
}
# Minutes after its cause in which each is told: its own, and for how long it has to last.
TOLD_AFTER = {
    "api_errors": 2,
    "api_slow": 5,
    "carrier_failing": 2,
    "calls_stuck": 6,
    "agent_failing": 5,
    "webhook_disabled": 0,
    "webhook_failing": 5,
    "deliveries_late": 7,
    "credits_low": 5,
    "key_unusual": 0,
}


def test_there_is_a_trouble_of_every_kind(db: None) -> None:
    assert set(TROUBLES) == set(KINDS) == set(AlertRule.objects.values_list("kind", flat=True))


@pytest.mark.parametrize("kind", TROUBLES)
def test_each_alert_is_told_once_and_its_end_once(cast: Cast, kind: str) -> None:
    cast.watch.look()
    assert not Incident.objects.exists()
    mend = TROUBLES[kind](cast)
    cast.watch.look()

    assert cast.watch.wait_until_open(kind) == TOLD_AFTER[kind]
    cast.watch.wait(minutes=2)
    incident = Incident.objects.get()
    assert (incident.rule_id, incident.is_over) == (kind, False)
    assert told() == [("opened", "sent")]

    mend()
    cast.watch.wait_until_over(kind)
    cast.watch.wait(minutes=2)

    assert told() == [("opened", "sent"), ("resolved", "sent")]
    incident = Incident.objects.get()
    assert incident.is_over
    began, over = mail.outbox
    assert began.to == over.to == ["ops@example.org"]
    assert began.subject == f"[Outdial] Alert: {incident.title}"
    assert KINDS[kind].advice in began.body
    assert incident.link in began.body
    assert over.subject == f"[Outdial] Over: {incident.title}"
    assert "Over after" in over.body


def test_the_beat_asks_for_a_look_every_minute() -> None:
    entry = app.conf.beat_schedule["alert"]
    assert (entry["task"], entry["schedule"]) == (alert.name, 60.0)


# What is no alert ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "fine", "fires"),
    [(1, 2, False), (4, 0, False), (5, 0, True), (5, 245, True), (5, 246, False)],
)
def test_few_errors_are_no_alert(cast: Cast, errors: int, fine: int, fires: bool) -> None:
    cast.ask(errors, status=500)
    cast.ask(fine)
    cast.watch.look()
    cast.watch.wait(minutes=3)
    assert Incident.objects.open().exists() == fires


@pytest.mark.parametrize(
    ("requests", "took", "fires"), [(49, 2.0, False), (50, 2.0, True), (50, 0.5, False)]
)
def test_few_slow_requests_are_no_alert(
    cast: Cast, requests: int, took: float, fires: bool
) -> None:
    cast.ask(requests, seconds=took)
    cast.watch.look()
    cast.watch.wait(minutes=6)
    assert Incident.objects.open().exists() == fires


def test_errors_that_a_test_key_asks_for_are_no_alert(cast: Cast, test_api: Api) -> None:
    order = {"agentId": cast.agent.native_id, "toNumber": "+14155550109"}
    for _ in range(6):
        assert test_api.post("/api/v1/calls/send", order).status_code == 500
    cast.watch.look()
    cast.watch.wait(minutes=3)
    assert not Incident.objects.exists()


@pytest.mark.parametrize(("lost", "ended", "fires"), [(2, 0, False), (3, 12, True), (3, 13, False)])
def test_few_lost_calls_are_no_alert(cast: Cast, lost: int, ended: int, fires: bool) -> None:
    cast.fail_calls(lost, reason="carrier_down", carrier="twilio")
    for _ in range(ended):
        cast.end_call(at=timezone.now(), talked=1, carrier="twilio")
    cast.watch.look()
    cast.watch.wait(minutes=3)
    assert Incident.objects.open().filter(rule="carrier_failing").exists() == fires


def test_a_zap_that_was_turned_off_is_no_alert(cast: Cast) -> None:
    webhook = cast.subscribe()
    Subscription.objects.update(surface="zapier", agent=cast.agent)
    health.disable(webhook, reason="gone")
    cast.watch.look()
    assert not Incident.objects.exists()


def test_what_waits_for_an_endpoint_that_fails_is_not_late(cast: Cast) -> None:
    cast.subscribe()
    tell(cast.agent)
    Subscription.objects.update(failures_in_row=5)
    cast.watch.look()
    cast.watch.clock.shift(timedelta(minutes=20))
    cast.watch.wait(minutes=3)
    assert list(Incident.objects.values_list("rule", flat=True)) == ["webhook_failing"]


def test_a_trouble_that_comes_and_goes_is_told_once(cast: Cast) -> None:
    def failing() -> None:
        Subscription.objects.update(failures_in_row=5)

    def well() -> None:
        Subscription.objects.update(failures_in_row=0)

    cast.subscribe()
    AlertRule.objects.update(holds_for=2)
    for _ in range(2):  # never for long enough to be told
        failing()
        cast.watch.wait(minutes=2)
        well()
        cast.watch.wait()
    assert told() == []

    failing()
    cast.watch.wait(minutes=3)
    for _ in range(2):  # nor gone for long enough to be over
        well()
        cast.watch.wait(minutes=2)
        failing()
        cast.watch.wait()
    assert told() == [("opened", "sent")]


# Rules --------------------------------------------------------------------------------------------


def test_a_rule_goes_by_its_threshold(cast: Cast) -> None:
    make_account(name="Poor", credits="5")
    AlertRule.objects.filter(kind="credits_low").update(threshold=5, holds_for=0)
    cast.watch.look()
    assert told() == []
    AlertRule.objects.filter(kind="credits_low").update(threshold=Decimal("5.01"))
    cast.watch.look()
    assert told() == [("opened", "sent")]


def test_a_rule_that_is_turned_off_ends_what_it_found_and_tells_nobody(cast: Cast) -> None:
    webhook_disabled(cast)
    cast.watch.look()
    rule = AlertRule.objects.filter(kind="webhook_disabled")
    rule.update(is_on=False)
    cast.watch.wait(minutes=2)
    assert Incident.objects.get().is_over
    assert told() == [("opened", "sent")]

    rule.update(is_on=True)
    cast.watch.wait()
    assert told() == [("opened", "sent"), ("opened", "sent")]


def test_a_migration_leaves_rules_as_they_are(watch: Watch) -> None:
    AlertRule.objects.filter(kind="api_slow").update(threshold=7, is_on=False)
    AlertRule.objects.filter(kind="api_errors").delete()

    call_command("migrate", verbosity=0)

    slow = AlertRule.objects.get(kind="api_slow")
    assert (slow.threshold, slow.is_on) == (Decimal(7), False)
    assert AlertRule.objects.get(kind="api_errors").threshold == 2


def test_a_question_that_fails_does_not_silence_the_others(cast: Cast) -> None:
    webhook_disabled(cast)
    # More than the database takes for a number of minutes before now.
    AlertRule.objects.filter(kind="calls_stuck").update(threshold=Decimal(10) ** 10 - 1)
    cast.watch.look()
    assert told() == [("opened", "sent")]


def test_many_at_once_are_one_mail(cast: Cast) -> None:
    for number in range(60):
        make_agent(cast.account, name=f"Agent {number}")
    for agent in cast.account.agents.all():
        cast.fail_calls(5, reason="rejected", agent=agent)
    cast.watch.look()
    cast.watch.wait_until_open("agent_failing")

    assert Incident.objects.open().count() == 61
    assert [one.subject for one in mail.outbox] == ["[Outdial] Alert: Agent failing (61)"]
    assert "And 11 more." in mail.outbox[0].body


def test_names_make_no_heads_of_mails(cast: Cast) -> None:
    Agent.objects.update(name="Reminders\nBcc: all@example.org")
    agent_failing(cast)
    cast.watch.look()
    cast.watch.wait_until_open("agent_failing")
    assert "\n" not in mail.outbox[0].subject
    assert mail.outbox[0].bcc == []


def test_nobody_is_told_where_nobody_is_named(cast: Cast, settings: Any) -> None:
    settings.ALERT_EMAILS = []
    webhook_disabled(cast)
    cast.watch.look()
    assert Incident.objects.open().count() == 1
    assert not Notice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_find_and_tell_once(account: Account, settings: Any) -> None:
    settings.ALERT_EMAILS = ["ops@example.org"]
    subscribe(account, url="https://hooks.example.org/", events=["call.completed"])
    Subscription.objects.update(status="disabled")
    start = Barrier(4)

    def work() -> None:
        start.wait()
        try:
            for _ in range(3):
                alert()
        finally:
            connection.close()

    def work_side_by_side() -> None:
        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    work_side_by_side()
    assert (Incident.objects.count(), told(), len(mail.outbox)) == (1, [("opened", "sent")], 1)

    Subscription.objects.update(status="enabled")
    work_side_by_side()
    assert told() == [("opened", "sent"), ("resolved", "sent")]
    assert (Incident.objects.count(), len(mail.outbox)) == (1, 2)


def test_what_was_over_long_ago_is_forgotten(cast: Cast) -> None:
    mend = webhook_disabled(cast)
    cast.watch.look()
    mend()
    cast.watch.wait()
    health.disable(Subscription.objects.get(), reason="gone")
    cast.watch.wait()
    assert (Incident.objects.count(), Notice.objects.count()) == (2, 3)

    cast.watch.clock.shift(timedelta(days=179))
    prune()
    assert (Incident.objects.count(), Notice.objects.count()) == (2, 3)
    cast.watch.clock.shift(timedelta(days=2))
    prune()

    assert not Incident.objects.get().is_over
    assert told() == [("opened", "sent")]
