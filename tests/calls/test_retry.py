"""Calls that nobody answered are tried again, by their rule, and end once."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Account, Agent
from calls.carriers.base import Accepted, CarrierError, DialOrder
from calls.models import Call, CallEvent, Dial, DialStatus
from calls.reports import Report, Snapshot
from tests.calls.story import StoryCarrier, says
from tests.factories import Api, make_agent
from webhooks.models import Event

Work = Callable[..., None]
BUSY, NO_ANSWER = "+14155550101", "+14155550102"
RULE = {"causes": ["busy", "no_answer"], "attempts": 3, "gaps": [60, 600]}


def send(api: Api, agent: Agent, number: str, **more: Any) -> Call:
    body = {"agentId": agent.native_id, "toNumber": number, **more}
    answer = api.post("/api/v1/calls/send", body)
    assert answer.status_code == 201, answer.json()
    return Call.objects.get()


def told() -> list[str]:
    return list(Event.objects.values_list("type", flat=True))


@pytest.mark.parametrize("number", [BUSY, NO_ANSWER])
def test_every_try_is_on_one_timeline_with_one_end(
    api: Api, agent: Agent, account: Account, work: Work, number: str
) -> None:
    call = send(api, agent, number, retry=RULE)
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert (call.status, told()) == ("queued", [])
    work(for_=timedelta(minutes=10))
    call.refresh_from_db()
    assert call.status == ("busy" if number == BUSY else "no_answer")
    dials = list(Dial.objects.order_by("number"))
    assert [dial.number for dial in dials] == [1, 2, 3]
    waits = [
        (later.asked_at - earlier.ended_at).total_seconds()
        for earlier, later in pairwise(dials)
        if later.asked_at and earlier.ended_at
    ]
    assert waits == [pytest.approx(60, abs=2), pytest.approx(600, abs=2)]
    assert told() == ["call.failed"]
    lines = CallEvent.objects.filter(type="retry")
    assert lines.count() == 2
    account.refresh_from_db()
    assert (str(account.credits), str(account.reserved)) == ("1000.0000", "0.0000")


def test_an_answer_ends_the_tries(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    agent = make_agent(account, carrier="story", retry=RULE)
    carrier.on_fetch = says((1, DialStatus.BUSY))
    call = send(api, agent, "+14155550123")
    work(for_=timedelta(seconds=30))
    carrier.on_fetch = says((1, DialStatus.IN_PROGRESS), (9, DialStatus.COMPLETED))
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert (call.status, call.duration) == ("completed", 8)
    assert told() == ["call.completed", "call.started"]
    assert [order.ask for order in carrier.dialled] == [1, 1]
    assert len({order.dial_id for order in carrier.dialled}) == 2


@pytest.mark.parametrize("status", [DialStatus.BUSY, DialStatus.NO_ANSWER])
def test_a_declined_call_is_never_redialled(
    api: Api, account: Account, carrier: StoryCarrier, work: Work, status: DialStatus
) -> None:
    agent = make_agent(account, carrier="story", retry=RULE)

    def declined(order: DialOrder) -> Snapshot:
        now = timezone.now()
        return Snapshot(reports=(Report(status, now, reason="declined"),), look_at=now)

    carrier.on_fetch = declined
    call = send(api, agent, "+14155550123")
    work(for_=timedelta(minutes=30))
    call.refresh_from_db()
    assert (call.status, call.reason) == (status, "declined")
    assert len(carrier.dialled) == 1


def test_what_the_carrier_never_took_may_be_tried_again(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    def refuse(order: DialOrder) -> Accepted:
        raise CarrierError("429", permanent=False, reason="carrier_busy")

    carrier.on_dial = refuse
    rule = {"causes": ["failed"], "attempts": 2, "gaps": [600]}
    agent = make_agent(account, carrier="story", retry=rule)
    call = send(api, agent, "+14155550123")
    work(for_=timedelta(minutes=5))
    carrier.on_dial = carrier.accept
    carrier.on_fetch = says((1, DialStatus.IN_PROGRESS), (2, DialStatus.COMPLETED))
    work(for_=timedelta(minutes=10))
    call.refresh_from_db()
    assert call.status == "completed"


@pytest.mark.parametrize("number", ["+14155550104", "+14155550105"])
def test_what_may_have_rung_or_was_refused_for_good_is_not(
    api: Api, agent: Agent, work: Work, number: str
) -> None:
    rule = {"causes": ["failed"], "attempts": 3, "gaps": [10]}
    call = send(api, agent, number, retry=rule)
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert call.status == "failed"
    assert Dial.objects.count() == 1


def test_no_try_begins_after_the_expiry(api: Api, agent: Agent, work: Work) -> None:
    expires = (timezone.now() + timedelta(seconds=50)).isoformat()
    call = send(api, agent, BUSY, retry=RULE, expiresAt=expires)
    work(for_=timedelta(minutes=5))
    call.refresh_from_db()
    assert (call.status, call.reason) == ("busy", "")


def test_a_canceled_call_is_not_tried_again(api: Api, agent: Agent, work: Work) -> None:
    call = send(api, agent, BUSY, retry=RULE)
    work(for_=timedelta(seconds=30))
    answer = api.post(f"/api/v1/calls/{call.native_id}/cancel")
    assert answer.json()["status"] == "canceled"
    work(for_=timedelta(minutes=5))
    assert Dial.objects.count() == 1
    assert told() == ["call.failed"]


@pytest.mark.parametrize(
    "rule",
    [
        {"causes": [], "attempts": 2},
        {"causes": ["voicemail"], "attempts": 2},
        {"causes": ["busy"], "attempts": 0},
        {"causes": ["busy"], "attempts": 11},
        {"causes": ["busy"], "attempts": 2, "gaps": [9]},
        {"causes": ["busy"], "attempts": 2, "gaps": []},
        {"attempts": 2},
        "often",
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(api: Api, agent: Agent, rule: Any) -> None:
    body = {"agentId": agent.native_id, "toNumber": BUSY, "retry": rule}
    answer = api.post("/api/v1/calls/send", body)
    assert answer.status_code == 400
    [field] = answer.json()["error"]["fields"]
    assert field.split(".")[0] == "retry"


def test_an_agents_rule_is_set_by_the_api(api: Api, agent: Agent) -> None:
    answer = api.patch(f"/api/v1/agents/{agent.native_id}", {"retry": RULE})
    assert answer.json()["retry"] == RULE
    assert api.patch(f"/api/v1/agents/{agent.native_id}", {"retry": None}).json()["retry"] is None


@pytest.mark.parametrize("part", [{"causes": ["busy"]}, {"attempts": 2}, {}])
def test_a_part_of_a_rule_is_none(api: Api, agent: Agent, part: Any) -> None:
    answer = api.patch(f"/api/v1/agents/{agent.native_id}", {"retry": part})
    assert answer.status_code == 400
    agent.refresh_from_db()
    assert agent.retry is None


def test_a_rule_that_cannot_be_read_lets_the_call_end(
    api: Api, account: Account, work: Work
) -> None:
    agent = make_agent(account, retry={"causes": ["busy"]})
    call = send(api, agent, BUSY)
    work(for_=timedelta(minutes=1))
    call.refresh_from_db()
    assert call.status == "busy"


def test_who_answered_is_not_called_again_however_it_ended(
    api: Api, account: Account, carrier: StoryCarrier, work: Work
) -> None:
    def dropped(order: DialOrder) -> Snapshot:
        now = timezone.now()
        ended = Report(DialStatus.NO_ANSWER, now, answered_at=now)
        return Snapshot(reports=(ended,), look_at=now)

    carrier.on_fetch = dropped
    call = send(api, make_agent(account, carrier="story", retry=RULE), "+14155550123")
    work(for_=timedelta(minutes=30))
    call.refresh_from_db()
    assert call.status == "no_answer"
    assert call.started_at
    assert len(carrier.dialled) == 1
    assert told() == ["call.failed", "call.started"]
