"""Calling rules: what is refused or postponed when a call is accepted, and before it is dialled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from agents.models import Account, Agent
from calls import policy
from calls.do_not_call import list_number
from calls.errors import CountryNotAllowed, OutsideCallingHours
from calls.models import Call, CallingRules, Dial
from tests.factories import NUMBER, Api
from tests.operator import Operator

SEND = "/api/v1/calls/send"
LONDON, BERLIN = "+442079460000", "+4930123456"
NINE_TO_EIGHT = [[["09:00", "20:00"]]] * 5 + [[], []]
# A Monday; noon in London, 04:00 in California.
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
OPENS = datetime(2026, 1, 5, 17, tzinfo=UTC)


@pytest.fixture
def noon(clock: time_machine.Traveller) -> time_machine.Traveller:
    clock.move_to(NOON)
    return clock


def set_rules(account: Account, **rules: Any) -> None:
    CallingRules.objects.update_or_create(account=account, defaults=rules)


def send(api: Api, agent: Agent, number: str = NUMBER, **fields: object) -> Any:
    return api.post(SEND, {"agentId": agent.native_id, "toNumber": number, **fields})


def accept(api: Api, agent: Agent, number: str = NUMBER) -> Call:
    answer = send(api, agent, number)
    assert answer.status_code == 201, answer.json()
    return Call.objects.latest("id")


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def dial(call: Call, *, at: datetime | None, ended: bool = True) -> None:
    """A dial of the call as it was asked of the carrier; None: about to be asked again."""
    Dial.objects.create(
        call=call,
        number=call.dials.count() + 1,
        status="no_answer" if ended else "asking",
        asked_at=at,
        ended_at=at if ended else None,
        due_at=NOON,
        deadline_at=NOON,
    )


def judge(call: Call, *, at: datetime) -> policy.Verdict:
    return policy.judge_many([call], known=policy.look_up_many([call]), now=at)[call.id]


# Hours


def test_a_call_outside_hours_waits_for_the_next_opening(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller
) -> None:
    set_rules(account, hours=NINE_TO_EIGHT)

    call = accept(api, agent)

    assert (call.status, call.due_at) == ("scheduled", OPENS)
    line = api.get(f"/api/v1/calls/{call.native_id}/events").json()["results"][0]
    assert line["type"] == "postponed"
    assert line["detail"] == {"reason": "outside_calling_hours", "until": "2026-01-05T17:00:00Z"}
    account.refresh_from_db()
    assert account.reserved == 10


def test_an_operator_sees_until_when_it_waits(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller
) -> None:
    set_rules(account, hours=NINE_TO_EIGHT)
    call = accept(api, agent)
    page = Operator().read(f"calls/call/{call.id}/change/")
    assert "Postponed" in page
    assert "Outside calling hours, until 5 Jan 2026, 17:00:00" in page


def test_a_call_within_hours_goes_out(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller
) -> None:
    set_rules(account, hours=NINE_TO_EIGHT)
    assert accept(api, agent, LONDON).status == "queued"


def test_rules_do_not_apply_to_test_calls(
    test_api: Api, account: Account, agent: Agent, noon: time_machine.Traveller
) -> None:
    set_rules(account, hours=[[]] * 7, countries=["FR"], calls_per_person_per_day=1)
    for _ in range(2):
        call = accept(test_api, agent)
        dial(call, at=NOON)
    assert judge(call, at=NOON).is_allowed


def test_hours_that_never_open_refuse(api: Api, account: Account, agent: Agent) -> None:
    set_rules(account, hours=[[]] * 7)
    assert refusal(send(api, agent)) == (403, "outside_calling_hours")
    zapier = api.post(
        "/api/zapier/actions/outbound-call", {"agent_id": str(agent.id), "to_number": NUMBER}
    )
    assert (zapier.status_code, zapier.json()) == (403, {"error": "outside calling hours"})
    assert not Call.objects.exists()


def test_a_number_of_no_country_is_only_called_when_it_is_open_everywhere(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller
) -> None:
    freephone = "+80012345678"
    set_rules(account, hours=NINE_TO_EIGHT)
    assert refusal(send(api, agent, freephone)) == (403, "outside_calling_hours")
    set_rules(account, hours=[[["00:00", "24:00"]]] * 7)
    assert accept(api, agent, freephone).status == "queued"


def draft(account: Account, agent: Agent, **fields: Any) -> Call:
    """A live call that is about to be accepted."""
    return Call(account=account, agent=agent, mode="live", to_number=NUMBER, **fields)


@pytest.mark.parametrize(("minutes", "is_accepted"), [(-1, False), (0, False), (1, True)])
def test_an_opening_counts_when_it_comes_before_the_call_expires(
    account: Account, agent: Agent, minutes: int, is_accepted: bool
) -> None:
    set_rules(account, hours=NINE_TO_EIGHT)
    call = draft(account, agent, expires_at=OPENS + timedelta(minutes=minutes))
    if is_accepted:
        assert policy.check_accept(call, now=NOON).until == OPENS
    else:
        with pytest.raises(OutsideCallingHours):
            policy.check_accept(call, now=NOON)


def test_a_call_for_later_is_judged_for_then(account: Account, agent: Agent) -> None:
    set_rules(account, hours=NINE_TO_EIGHT, calls_per_person_per_day=1)
    within = draft(account, agent, scheduled_at=OPENS + timedelta(hours=1))
    assert policy.check_accept(within, now=NOON).is_allowed
    evening = draft(account, agent, scheduled_at=OPENS + timedelta(hours=11))
    assert policy.check_accept(evening, now=NOON).until == OPENS + timedelta(days=1)


def test_a_call_may_ignore_the_hours_but_not_the_other_rules(
    account: Account, agent: Agent
) -> None:
    set_rules(account, hours=[[]] * 7, countries=["US"])
    call = draft(account, agent, ignore_calling_hours=True)
    assert policy.check_accept(call, now=NOON).is_allowed
    call.to_number = LONDON
    with pytest.raises(CountryNotAllowed):
        policy.check_accept(call, now=NOON)


# Countries


def test_only_allowed_countries_are_called(api: Api, account: Account, agent: Agent) -> None:
    set_rules(account, countries=["GB", "DE"])
    assert refusal(send(api, agent)) == (403, "country_not_allowed")
    assert refusal(send(api, agent, "+80012345678")) == (403, "country_not_allowed")
    assert send(api, agent, LONDON).status_code == 201
    assert send(api, agent, BERLIN).status_code == 201


# How often a person is called


def test_an_immediate_call_over_the_limit_is_refused(
    api: Api, account: Account, agent: Agent, noon: time_machine.Traveller
) -> None:
    set_rules(account, calls_per_person_per_day=2)
    call = accept(api, agent)
    dial(call, at=NOON)
    second = accept(api, agent)
    dial(second, at=NOON)
    assert refusal(send(api, agent)) == (403, "person_called_too_often")
    assert send(api, agent, "+14155550199").status_code == 201


def test_the_callees_own_day_counts(api: Api, account: Account, agent: Agent) -> None:
    set_rules(account, calls_per_person_per_day=1)
    call = accept(api, agent)
    # 08:00 UTC is midnight in California.
    midnight = datetime(2026, 1, 5, 8, tzinfo=UTC)
    dial(call, at=midnight - timedelta(seconds=1))
    assert judge(call, at=NOON).is_allowed
    dial(call, at=midnight)
    assert judge(call, at=NOON) == policy.Verdict(
        "person_called_too_often", until=midnight + timedelta(days=1)
    )


def test_over_the_limit_it_waits_for_the_next_day_and_its_hours(
    api: Api, account: Account, agent: Agent
) -> None:
    call = accept(api, agent)
    set_rules(account, calls_per_person_per_day=1, hours=NINE_TO_EIGHT)
    dial(call, at=OPENS)
    verdict = judge(call, at=OPENS + timedelta(hours=1))
    assert verdict == policy.Verdict("person_called_too_often", until=OPENS + timedelta(days=1))
    assert verdict.until
    assert not verdict.is_refused


def test_a_day_that_is_over_when_the_hours_open_does_not_count(
    account: Account, agent: Agent, api: Api
) -> None:
    dialled = accept(api, agent)
    set_rules(account, calls_per_person_per_day=1, hours=NINE_TO_EIGHT)
    dial(dialled, at=OPENS)
    evening = OPENS + timedelta(hours=12)
    verdict = policy.check_accept(draft(account, agent), now=evening)
    assert verdict == policy.Verdict("outside_calling_hours", until=OPENS + timedelta(days=1))


def test_a_dial_that_is_about_to_be_asked_again_counts(
    api: Api, account: Account, agent: Agent
) -> None:
    refused, waiting = accept(api, agent), accept(api, agent)
    set_rules(account, calls_per_person_per_day=1)
    dial(refused, at=None, ended=False)
    assert judge(waiting, at=NOON).reason == "person_called_too_often"


def test_dials_of_test_calls_do_not_count(
    api: Api, test_api: Api, account: Account, agent: Agent
) -> None:
    dial(accept(test_api, agent), at=NOON)
    call = accept(api, agent)
    set_rules(account, calls_per_person_per_day=1)
    assert judge(call, at=NOON).is_allowed


# Before it is dialled


def test_rules_that_came_later_stop_a_waiting_call(
    api: Api, test_api: Api, account: Account, agent: Agent
) -> None:
    call, test_call = accept(api, agent), accept(test_api, agent)
    set_rules(account, countries=["GB"])
    assert judge(call, at=NOON) == policy.Verdict("country_not_allowed")
    set_rules(account, countries=None, hours=[[]] * 7)
    assert judge(call, at=NOON) == policy.Verdict("outside_calling_hours")
    list_number(account, number=NUMBER)
    for one in (call, test_call):
        verdict = judge(one, at=NOON)
        assert verdict == policy.Verdict("do_not_call")
        assert verdict.is_refused


def test_a_batch_counts_its_own_dials_and_takes_three_queries(
    api: Api,
    account: Account,
    agent: Agent,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in (*[NUMBER] * 4, LONDON):
        accept(api, agent, number)
    calls = list(Call.objects.select_related("agent").order_by("id"))
    set_rules(account, calls_per_person_per_day=2)

    with django_assert_num_queries(3):
        verdicts = policy.judge_many(calls, known=policy.look_up_many(calls), now=NOON)

    assert [verdicts[call.id].is_allowed for call in calls] == [True, True, False, False, True]


def test_without_rules_everything_is_allowed_at_two_queries(
    api: Api, agent: Agent, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    accept(api, agent)
    call = Call.objects.select_related("agent").get()
    with django_assert_num_queries(2):
        assert judge(call, at=NOON).is_allowed
