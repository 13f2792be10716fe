"""/metrics counts each call, attempt and request once, whichever process did it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Account, Agent
from calls.models import Call, Dial
from core import heartbeat
from operations import rollups, usage
from operations.models import Tally, Watermark
from operations.rollups import roll_up
from tests.factories import NUMBER, Api
from tests.operations.conftest import EndCall
from tests.operations.exposed import scrape
from tests.receiver import Receiver, Reply
from webhooks.models import Delivery, Subscription
from webhooks.services import subscribe

Work = Callable[..., None]
RollUp = Callable[[], None]

LIVE = {"carrier": "simulated", "mode": "live"}
SEND = "/api/v1/calls/send"
# No test lasts longer, however slow the machine.
SLACK = 120


@pytest.fixture
def order(agent: Agent) -> dict[str, str]:
    return {"agentId": agent.native_id, "toNumber": NUMBER}


# Calls --------------------------------------------------------------------------------------------


def test_calls_are_counted_from_acceptance_to_end(
    api: Api, test_api: Api, order: dict[str, str], work: Work, rolled_up: RollUp
) -> None:
    for number in (NUMBER, NUMBER, "+14155550101", "+14155550104"):
        assert api.post(SEND, {**order, "toNumber": number}).status_code == 201
    test_api.post(SEND, order)
    rolled_up()
    assert scrape().value("outdial_calls_accepted_total", **LIVE) == 4
    assert scrape().total("outdial_calls_ended_total") == 0

    work()
    rolled_up()

    exposed = scrape()
    assert {
        outcome: exposed.value("outdial_calls_ended_total", **LIVE, outcome=outcome)
        for outcome in ("completed", "busy", "failed", "canceled")
    } == {"completed": 2, "busy": 1, "failed": 1, "canceled": 0}
    assert exposed.total("outdial_calls_ended_total", mode="test") == 1
    assert (
        exposed.value("outdial_call_reasons_total", **LIVE, outcome="failed", reason="rejected")
        == 1
    )
    talked = sum(call.duration or 0 for call in Call.objects.filter(mode="live"))
    assert exposed.value("outdial_call_talk_seconds_total", **LIVE) == talked > 0
    assert exposed.value("outdial_dial_latency_seconds_count", **LIVE) == 4


def test_dial_latency_is_the_wait_since_a_call_came_due(
    api: Api, order: dict[str, str], work: Work, rolled_up: RollUp, clock: time_machine.Traveller
) -> None:
    api.post(SEND, order)
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    api.post(SEND, {**order, "scheduledAt": later})
    clock.shift(600)
    work(for_=timedelta(seconds=30))
    clock.shift(7200)
    work(for_=timedelta(seconds=30))
    rolled_up()

    exposed = scrape()

    # Due at once, and dialled after 600 s; due in an hour, and dialled 4,230 s after that.
    name, bounds = "outdial_dial_latency_seconds_bucket", ("300.0", "1800.0", "3600.0", "21600.0")
    assert [exposed.value(name, **LIVE, le=le) for le in bounds] == [0, 1, 1, 2]
    assert 4_830 <= exposed.total("outdial_dial_latency_seconds_sum") < 4_830 + SLACK


def test_a_call_that_is_tried_again_is_one_call_and_several_dials(
    api: Api, order: dict[str, str], work: Work, rolled_up: RollUp
) -> None:
    retry = {"causes": ["busy"], "attempts": 3, "gaps": [60]}
    api.post(SEND, {**order, "toNumber": "+14155550101", "retry": retry})
    for _ in range(6):
        work(for_=timedelta(seconds=45))
        rolled_up()

    exposed = scrape()

    assert exposed.total("outdial_calls_accepted_total") == 1
    assert exposed.total("outdial_calls_ended_total") == 1
    assert exposed.value("outdial_dial_latency_seconds_count", **LIVE) == 3
    # The gap between two tries is no wait: the call was not due.
    assert exposed.total("outdial_dial_latency_seconds_sum") < 100


def test_what_can_be_foreseen_begins_at_zero(db: None) -> None:
    exposed = scrape()
    assert exposed.value("outdial_calls_ended_total", **LIVE, outcome="failed") == 0
    assert exposed.value("outdial_dial_latency_seconds_count", **LIVE) == 0
    assert exposed.value("outdial_queue_depth", queue="deliveries") == 0
    assert (
        exposed.value("outdial_delivery_attempts_total", surface="zapier", outcome="given_up") == 0
    )
    assert exposed.total("outdial_build_info", database=connection.vendor) == 1


# Deliveries ---------------------------------------------------------------------------------------


def test_attempts_and_deliveries_are_counted(
    api: Api, order: dict[str, str], agent: Agent, work: Work, receiver: Receiver, rolled_up: RollUp
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    receiver.reply = lambda request: Reply(status=500 if len(receiver.requests) == 1 else 200)
    api.post(SEND, order)
    work()
    rolled_up()
    delivery = Delivery.objects.get()
    assert api.post(f"/api/v1/deliveries/dlv_{delivery.id.hex}/redeliver").status_code == 202
    work()
    rolled_up()

    exposed = scrape()

    attempts = "outdial_delivery_attempts_total"
    assert exposed.value(attempts, surface="native", outcome="failed") == 1
    assert exposed.value(attempts, surface="native", outcome="delivered") == 2
    assert exposed.value("outdial_delivery_failures_total", surface="native", failure="http_error")
    assert exposed.total("outdial_delivery_failures_total") == 1
    took = "outdial_delivery_attempt_duration_seconds_count"
    assert exposed.value(took, surface="native", outcome="delivered") == 2
    # Delivered anew is not delivered late; the first time it took two attempts, 5 s apart.
    assert exposed.value("outdial_delivery_latency_seconds_count", surface="native") == 1
    assert (exposed.value("outdial_delivery_latency_seconds_sum", surface="native") or 0) > 3


def test_the_last_attempt_gives_up(
    api: Api, order: dict[str, str], agent: Agent, work: Work, receiver: Receiver, rolled_up: RollUp
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    receiver.reply = lambda request: Reply(status=500)
    api.post(SEND, order)
    work(for_=timedelta(days=5))
    rolled_up()

    exposed = scrape()

    assert Delivery.objects.get().status == "failed"
    attempts = "outdial_delivery_attempts_total"
    assert exposed.value(attempts, surface="native", outcome="failed") == 9
    assert exposed.value(attempts, surface="native", outcome="given_up") == 1


# Requests -----------------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_status(api: Api) -> None:
    api.get("/api/v1/account")
    api.get("/api/v1/calls/one")
    api.get("/api/v1/calls/another")
    api.post("/api/zapier/auth/test", {})
    Client().post("/carriers/twilio/dials/019a0000-0000-7000-8000-000000000000")
    usage.flush()

    exposed = scrape()

    calls = {"surface": "native", "method": "GET", "route": "/api/v1/calls/<str:call_id>"}
    assert exposed.value("outdial_http_requests_total", **calls, status="404") == 2
    assert exposed.value("outdial_http_request_duration_seconds_count", **calls) == 2
    assert exposed.value("outdial_http_request_duration_seconds_bucket", **calls, le="+Inf") == 2
    for surface in ("zapier", "carriers"):
        assert exposed.total("outdial_http_requests_total", surface=surface) == 1
    assert exposed.total("outdial_http_requests_total", status="200") >= 1


def test_no_client_can_make_series(db: None) -> None:
    client = Client()
    for number in range(5):
        client.get(f"/api/v1/nowhere-{number}")
        client.generic(f"BREW{number}", "/api/v1/account")
        client.get(f"/admin/calls/call/{number}/change/")
        client.get(f"/nowhere-{number}")
        client.get("/healthz")
    usage.flush()
    scraped = Tally.objects.filter(name="http").values("labels").distinct()
    assert sorted(row["labels"] for row in scraped) == [
        '["admin", "GET", "/admin/", "302"]',
        '["native", "GET", "unmatched", "404"]',
        '["native", "other", "/api/v1/account", "401"]',
    ]


def test_processes_add_to_the_same_counters(api: Api) -> None:
    for _ in range(3):
        api.get("/api/v1/account")
        usage.flush()

    assert scrape().total("outdial_http_requests_total", route="/api/v1/account") == 3


# This moment --------------------------------------------------------------------------------------


def test_what_waits_is_shown_with_its_age(
    api: Api, order: dict[str, str], clock: time_machine.Traveller
) -> None:
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    for fields in ({}, {}, {}, {"scheduledAt": later}):
        assert api.post(SEND, {**order, **fields}).status_code == 201
    sms = {"agentId": order["agentId"], "toNumber": NUMBER, "message": "Hello"}
    assert api.post("/api/v1/sms/send", sms).status_code == 201
    first = Call.objects.earliest("created_at")
    Call.objects.filter(id=first.id).update(status="ringing", due_at=None)
    late = timezone.now() - timedelta(minutes=5)
    Dial.objects.create(call=first, asked_at=late, due_at=late, deadline_at=late)
    clock.shift(40)

    exposed = scrape()

    assert exposed.value("outdial_calls_live", **LIVE, status="ringing") == 1
    assert exposed.value("outdial_calls_live", **LIVE, status="in_progress") == 0
    assert exposed.value("outdial_calls_waiting", status="queued") == 2
    assert exposed.value("outdial_calls_waiting", status="scheduled") == 1
    queues = ("calls", "dials", "messages", "deliveries")
    assert [exposed.value("outdial_queue_depth", queue=name) for name in queues] == [2, 1, 1, 0]
    ages = [exposed.value("outdial_queue_oldest_age_seconds", queue=name) or 0 for name in queues]
    for age, least in zip(ages, (40, 340, 40), strict=False):
        assert least <= age < least + SLACK
    assert ages[-1] == 0


def test_deliveries_that_wait_by_right_are_no_backlog(
    api: Api, order: dict[str, str], agent: Agent, receiver: Receiver, work: Work
) -> None:
    url = receiver.url
    webhook, _ = subscribe(agent.account, url=url, events=["call.completed", "call.failed"])
    receiver.reply = lambda request: Reply(status=503)
    api.post(SEND, order)
    work(for_=timedelta(seconds=20))
    ago = timezone.now() - timedelta(minutes=3)
    Delivery.objects.update(next_attempt_at=ago, lease_token=None)
    webhooks = Subscription.objects.filter(id=webhook.id)
    webhooks.update(resumes_at=timezone.now() + timedelta(hours=1))
    assert scrape().value("outdial_queue_depth", queue="deliveries") == 0

    webhooks.update(resumes_at=None)

    exposed = scrape()
    assert exposed.value("outdial_queue_depth", queue="deliveries") == 1
    age = exposed.value("outdial_queue_oldest_age_seconds", queue="deliveries") or 0
    assert 180 <= age < 180 + SLACK
    assert exposed.value("outdial_webhooks", status="enabled") == 1


def test_workers_and_their_counting_are_watched(
    rolled_up: RollUp, db: None, clock: time_machine.Traveller
) -> None:
    exposed = scrape()
    assert exposed.value("outdial_worker_heard") == 0
    assert exposed.value("outdial_rollup_lag_seconds") == float("inf")

    heartbeat.beat()
    rolled_up()
    clock.shift(30)

    exposed = scrape()
    assert exposed.value("outdial_worker_heard") == 1
    assert 30 <= (exposed.value("outdial_rollup_lag_seconds") or 0) < 30 + SLACK
    cache.clear()
    assert scrape().value("outdial_worker_heard") == 0


# Counters only grow -------------------------------------------------------------------------------


def test_counting_afresh_counts_nothing_twice(
    end_call: EndCall, rolled_up: RollUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "BATCH", 2)
    for _ in range(3):
        end_call()
    rolled_up()
    end_call()

    call_command("rebuild_rollups")
    rolled_up()

    assert scrape().total("outdial_calls_ended_total") == 4
    end_call()
    rolled_up()
    assert scrape().total("outdial_calls_ended_total") == 5


def test_an_account_that_goes_takes_nothing_off(
    end_call: EndCall, account: Account, rolled_up: RollUp
) -> None:
    end_call()
    rolled_up()
    Call.objects.all().delete()
    account.ledger.all().delete()
    account.delete()

    assert scrape().total("outdial_calls_ended_total") == 1


def test_a_batch_that_breaks_tallies_nothing(
    end_call: EndCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_call()
    with monkeypatch.context() as broken:
        broken.setattr(Watermark, "save", _break)
        with pytest.raises(RuntimeError):
            roll_up()

    assert roll_up()
    assert scrape().total("outdial_calls_ended_total") == 1


def _break(*args: object, **options: object) -> None:
    raise RuntimeError


def test_a_scrape_asks_the_same_few_questions_however_much_there_is(
    end_call: EndCall, rolled_up: RollUp
) -> None:
    with CaptureQueriesContext(connection) as before:
        scrape()
    for outcome in ("completed", "voicemail", "failed"):
        end_call(status=outcome)
    rolled_up()
    with CaptureQueriesContext(connection) as after:
        scrape()

    assert len(after) == len(before) <= 12
