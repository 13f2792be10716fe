"""Orders of any content: accepted and kept as they are, or refused in the surface's own words."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Account, Agent
from calls.models import Call
from tests.factories import NUMBER, Api, make_account, make_agent, make_key
from tests.properties import ANY_JSON, ANY_TEXT, HUGE, KEPT_JSON, TEXT, tried, undone

NATIVE, ZAPIER = "/api/v1/calls/send", "/api/zapier/actions/outbound-call"
# What the contract says a key may be.
KEY = re.compile(r"[\x20-\x7e]{1,255}")


@pytest.fixture
def account(db: None) -> Account:
    return make_account(credits=None)


@pytest.fixture
def agent(account: Account) -> Agent:
    return make_agent(account, prompt="Remind {{name}} of {{what}}", greeting="Hello {{name}}")


@pytest.fixture
def api(account: Account) -> Api:
    return unlimited(account)


@pytest.fixture
def stranger_api(stranger: Account) -> Api:
    return unlimited(stranger)


def unlimited(account: Account) -> Api:
    return Api(make_key(account, requests_per_minute=1_000_000))


def order(agent: Agent, **more: Any) -> dict[str, Any]:
    return {"agentId": agent.native_id, "toNumber": NUMBER, **more}


def inputs(agent: Agent, **more: Any) -> dict[str, Any]:
    return {"agent_id": str(agent.id), "to_number": NUMBER, **more}


def assert_refused(answer: Any) -> None:
    """As native clients are told."""
    assert answer.status_code in (400, 404, 413), answer.content
    error = answer.json()["error"]
    assert {type(error["code"]), type(error["message"])} == {str}
    assert error.keys() <= {"code", "message", "fields"}


def assert_refused_to_zapier(answer: Any) -> None:
    assert answer.status_code in (400, 404, 413), answer.content
    assert answer.json().keys() == {"error"}
    assert isinstance(answer.json()["error"], str)


def numbers_as_written(text: str | bytes) -> Any:
    """JSON's numbers are decimal: 1e23 and 100000000000000000000000 are one."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def shown(api: Api, call_id: str, *names: str) -> Any:
    answer = api.get(f"/api/v1/calls/{call_id}")
    assert answer.status_code == 200, answer.content
    call = numbers_as_written(answer.content)
    return [call[name] for name in names]


# Params and metadata

names = st.sampled_from(["name", "what"])
kept_params = st.dictionaries(names | TEXT, KEPT_JSON, max_size=4)
deep = st.integers(1, 60).map(lambda depth: json.loads("[" * depth + "]" * depth))
long = st.integers(5_000, 20_000).map(lambda length: "é" * length)
any_params = ANY_JSON | st.dictionaries(names | ANY_TEXT, ANY_JSON | deep | long | HUGE, max_size=4)


@tried(15)
@given(kept_params, kept_params)
def test_params_and_metadata_are_kept_as_they_are(
    api: Api, agent: Agent, params: dict[str, Any], metadata: dict[str, Any]
) -> None:
    with undone():
        answer = api.post(NATIVE, order(agent, params=params, metadata=metadata))
        assert answer.status_code == 201, answer.content
        sent = numbers_as_written(json.dumps([params, metadata]))
        assert shown(api, answer.json()["callId"], "params", "metadata") == sent


@tried(25)
@given(any_params, st.sampled_from(["params", "metadata"]))
def test_any_params_are_kept_or_refused(api: Api, agent: Agent, params: object, name: str) -> None:
    with undone():
        answer = api.post(NATIVE, order(agent, **{name: params}))
        if answer.status_code == 201:
            sent = numbers_as_written(json.dumps(params))
            assert shown(api, answer.json()["callId"], name) == [sent]
        else:
            assert_refused(answer)
            assert not Call.objects.exists()


@tried(15)
@given(kept_params, st.booleans())
def test_zapiers_params_are_kept_as_they_are(
    api: Api, agent: Agent, params: dict[str, Any], as_text: bool
) -> None:
    with undone():
        given = json.dumps(params) if as_text else params
        answer = api.post(ZAPIER, inputs(agent, params=given))
        assert answer.status_code == 200, answer.content
        sent = numbers_as_written(json.dumps(params))
        assert shown(api, answer.json()["call_id"], "params") == [sent]


@tried(25)
@given(any_params, st.booleans())
def test_any_params_of_zapiers_are_kept_dropped_or_refused(
    api: Api, agent: Agent, params: object, as_text: bool
) -> None:
    with undone():
        given = json.dumps(params) if as_text else params
        answer = api.post(ZAPIER, inputs(agent, params=given))
        if answer.status_code == 200:
            (kept,) = shown(api, answer.json()["call_id"], "params")
            assert kept in ({}, numbers_as_written(json.dumps(params)))
        else:
            assert_refused_to_zapier(answer)
            assert not Call.objects.exists()


# Every other field

WHO = ["agentId", "toNumber", "fromNumber", "campaignId"]
HOW = ["maxDuration", "ringTimeout", "scheduledAt", "retry"]
INPUTS = ["agent_id", "to_number", "from_number", "call_id", "campaign_id", "scheduled_at", "retry"]
texts = st.sampled_from([NUMBER, "4155550123", "2030-01-31T09:00:00Z", "0001-01-01T00:00:00+23:59"])


@tried(25)
@given(st.dictionaries(st.sampled_from(WHO + HOW), ANY_JSON | texts, min_size=1, max_size=3))
def test_any_fields_are_accepted_or_refused(api: Api, agent: Agent, fields: dict[str, Any]) -> None:
    with undone():
        answer = api.post(NATIVE, order(agent, **fields))
        if answer.status_code == 201:
            shown(api, answer.json()["callId"])
        else:
            assert_refused(answer)


@tried(25)
@given(st.dictionaries(st.sampled_from(INPUTS), ANY_JSON | texts, min_size=1, max_size=3))
def test_any_inputs_of_zapiers_are_accepted_or_refused(
    api: Api, agent: Agent, fields: dict[str, Any]
) -> None:
    with undone():
        answer = api.post(ZAPIER, inputs(agent, **fields))
        if answer.status_code == 200:
            shown(api, answer.json()["call_id"])
        else:
            assert_refused_to_zapier(answer)


# Keys under which two requests are one

keys = st.text(st.characters(max_codepoint=0xFF), max_size=20) | st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=300
)


changes = st.sampled_from(
    [{"toNumber": "+14155550199"}, {"params": {"a": 1}}, {"metadata": {}}, {"maxDuration": 60}]
)


@tried(15)
@given(keys, kept_params, changes, st.data())
def test_a_key_is_one_order_of_one_account(
    api: Api,
    stranger_api: Api,
    stranger: Account,
    agent: Agent,
    key: str,
    params: dict[str, Any],
    change: dict[str, Any],
    data: st.DataObject,
) -> None:
    with undone():
        body = order(agent, params={"name": params})
        first = api.post(NATIVE, body, Idempotency_Key=key)
        if not KEY.fullmatch(key):
            assert_refused(first)
            assert not Call.objects.exists()
            return
        assert first.status_code == 201, first.content
        call_id = first.json()["callId"]

        again = api.post(NATIVE, dict(reversed(body.items())), Idempotency_Key=key)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again["Idempotent-Replayed"] == "true"
        conflict = api.post(NATIVE, {**body, **change}, Idempotency_Key=key)
        assert conflict.status_code == 409
        assert conflict.json()["error"]["code"] == "idempotency_conflict"

        other = data.draw(keys.filter(lambda other: other != key and KEY.fullmatch(other)))
        assert api.post(NATIVE, body, Idempotency_Key=other).json()["callId"] != call_id
        assert stranger_api.post(NATIVE, body, Idempotency_Key=key).status_code == 404
        theirs = order(make_agent(stranger), params=body["params"])
        mine = stranger_api.post(NATIVE, theirs, Idempotency_Key=key)
        assert (mine.status_code, "Idempotent-Replayed" in mine) == (201, False)
        assert stranger_api.get(f"/api/v1/calls/{call_id}").status_code == 404
        assert Call.objects.count() == 3
