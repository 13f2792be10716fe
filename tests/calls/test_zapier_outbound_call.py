"""`POST /api/zapier/actions/outbound-call`."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.test import Client

from agents.models import Account, Agent
from agents.services import disable_agent
from calls.models import Call, Dial
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_agent

URL = "/api/zapier/actions/outbound-call"
FORM = "application/x-www-form-urlencoded"
PARAMS = {"customer_name": "John", "city": "Bengaluru"}
MISSING_BOTH = {"error": "Missing required: agent_id, to_number"}
MISSING_NUMBER = {"error": "Missing required: to_number"}
MISSING_AGENT = {"error": "Missing required: agent_id"}
NO_FROM_NUMBER = {"error": "from_number missing and agent has no default_number"}
NOT_FOUND = {"error": "agent not found"}


@pytest.fixture
def given(agent: Agent) -> dict[str, Any]:
    return {
        "agent_id": str(agent.id),
        "to_number": NUMBER,
        "from_number": "+14155550111",
        "params": PARAMS,
    }


def answer_of(response: Any) -> tuple[int, Any]:
    return response.status_code, response.json()


def assert_placed(response: Any, **fields: Any) -> None:
    call = Call.objects.get()
    assert answer_of(response) == (200, {"success": True, "call_id": str(call.id)})
    seen = {name: getattr(call, name) for name in fields}
    assert seen == fields


def test_by_json(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    response = api.post(URL, given)
    assert_placed(
        response,
        agent=agent,
        to_number=NUMBER,
        from_number="+14155550111",
        params=PARAMS,
        status="queued",
        mode="live",
    )


def test_by_query(api: Api, agent: Agent) -> None:
    response = api.post(f"{URL}?agent_id={agent.id}&to_number=%2B14155550123")
    assert_placed(response, to_number=NUMBER, from_number=DEFAULT_NUMBER, params={})


def test_by_query_with_a_json_content_type_and_no_body(api: Api, agent: Agent) -> None:
    query = urlencode({"agent_id": agent.id, "to_number": NUMBER, "params": json.dumps(PARAMS)})
    response = api.post(f"{URL}?{query}", "")
    assert_placed(response, to_number=NUMBER, params=PARAMS)


def test_by_form(api: Api, given: dict[str, Any]) -> None:
    form = urlencode({**given, "params": json.dumps(PARAMS)})
    response = Client().post(URL, form, content_type=FORM, headers={"X-API-Key": api.key})
    assert_placed(response, to_number=NUMBER, from_number="+14155550111", params=PARAMS)


def test_by_multipart_form(api: Api, given: dict[str, Any]) -> None:
    form = {**given, "params": json.dumps(PARAMS)}
    response = Client().post(URL, form, headers={"X-API-Key": api.key})
    assert_placed(response, to_number=NUMBER, from_number="+14155550111", params=PARAMS)


def test_the_body_comes_first(api: Api, given: dict[str, Any]) -> None:
    query = urlencode({"to_number": "+14155550188", "from_number": "+14155550177"})
    response = api.post(f"{URL}?{query}", {**given, "from_number": ""})
    assert_placed(response, to_number=NUMBER, from_number="+14155550177")


def test_the_native_form_of_the_agents_id_will_do(api: Api, agent: Agent) -> None:
    assert_placed(api.post(URL, {"agent_id": agent.native_id, "to_number": NUMBER}), agent=agent)


def test_it_is_dialled(api: Api, given: dict[str, Any], work: Callable[..., None]) -> None:
    api.post(URL, given)
    work()
    assert Call.objects.get().status == "completed"


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_blank_optional_fields(api: Api, agent: Agent, blank: str | None) -> None:
    optional = dict.fromkeys(["from_number", "params", "call_id", "campaign_id"], blank)
    response = api.post(URL, {"agent_id": str(agent.id), "to_number": NUMBER, **optional})
    assert_placed(response, from_number=DEFAULT_NUMBER, params={}, client_id=None, campaign_id=None)


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        (
            {"n": 1, "deep": {"list": [1.5, None, True]}},
            {"n": 1, "deep": {"list": [1.5, None, True]}},
        ),
        ('{"city": "Bengaluru", "n": 1}', {"city": "Bengaluru", "n": 1}),
        ("  {}  ", {}),
        ("not json", {}),
        ('{"half": ', {}),
        ("[1, 2]", {}),
        ('"text"', {}),
        ('{"n": NaN}', {}),
        ('{"n": 1e999}', {}),
        ('{"text": "\\u0000"}', {}),
        ('{"text": "\\ud800"}', {}),
        ([1, 2], {}),
        (7, {}),
        (True, {}),
        ({}, {}),
    ],
)
def test_params(api: Api, given: dict[str, Any], params: object, kept: object) -> None:
    assert_placed(api.post(URL, {**given, "params": params}), params=kept)


def test_campaign_id_is_kept(api: Api, given: dict[str, Any]) -> None:
    campaign = "01940a6e-1400-7000-8000-00000000000c"
    assert_placed(api.post(URL, {**given, "campaign_id": campaign}), campaign_id=UUID(campaign))


@pytest.mark.parametrize("campaign", ["spring", 7, ["x"]])
def test_campaign_id_must_be_a_uuid(api: Api, given: dict[str, Any], campaign: object) -> None:
    response = api.post(URL, {**given, "campaign_id": campaign})
    assert answer_of(response) == (400, {"error": "campaign_id must be a UUID"})


def test_a_national_number_is_read_as_one_of_the_agents_country(
    api: Api, agent: Agent, given: dict[str, Any]
) -> None:
    assert_placed(api.post(URL, {**given, "to_number": "(415) 555-0123"}), to_number=NUMBER)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, MISSING_BOTH),
        ({"agent_id": "", "to_number": None}, MISSING_BOTH),
        ({"agent_id": "x"}, MISSING_NUMBER),
        ({"to_number": NUMBER}, MISSING_AGENT),
    ],
)
def test_what_is_missing(api: Api, fields: dict[str, Any], error: dict[str, str]) -> None:
    assert answer_of(api.post(URL, fields)) == (400, error)


def test_no_body_at_all(api: Api) -> None:
    assert answer_of(api.post(URL)) == (400, MISSING_BOTH)


def test_no_from_number_anywhere(api: Api, account: Account) -> None:
    silent = make_agent(account, default_number=None)
    response = api.post(URL, {"agent_id": str(silent.id), "to_number": NUMBER})
    assert answer_of(response) == (400, NO_FROM_NUMBER)
    assert not Call.objects.exists()


@pytest.mark.parametrize("field", ["to_number", "from_number"])
@pytest.mark.parametrize("number", ["nonsense", "+1", "123", 14155550123, ["+14155550123"]])
def test_an_invalid_number(api: Api, given: dict[str, Any], field: str, number: object) -> None:
    response = api.post(URL, {**given, field: number})
    assert answer_of(response) == (400, {"error": f"invalid {field}"})
    assert not Call.objects.exists()


@pytest.mark.parametrize("unknown", ["01940a6e-1400-7000-8000-000000000001", "nonsense", 7])
def test_unknown_agent(api: Api, given: dict[str, Any], unknown: object) -> None:
    assert answer_of(api.post(URL, {**given, "agent_id": unknown})) == (404, NOT_FOUND)


def test_another_accounts_agent_is_not_there(stranger_api: Api, given: dict[str, Any]) -> None:
    assert answer_of(stranger_api.post(URL, given)) == (404, NOT_FOUND)
    assert not Call.objects.exists()


def test_a_disabled_agent_places_no_call(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    disable_agent(agent)
    assert answer_of(api.post(URL, given)) == (403, {"error": "agent disabled"})
    assert not Call.objects.exists()


def test_no_credits(api: Api, account: Account, given: dict[str, Any]) -> None:
    Account.objects.update(credits=0)
    assert answer_of(api.post(URL, given)) == (402, {"error": "insufficient credits"})
    assert not Call.objects.exists()


def test_the_simulated_number_that_is_out_of_credits(api: Api, given: dict[str, Any]) -> None:
    response = api.post(URL, {**given, "to_number": "+14155550110"})
    assert answer_of(response) == (402, {"error": "insufficient credits"})


def test_a_call_that_cannot_be_recorded(api: Api, given: dict[str, Any]) -> None:
    response = api.post(URL, {**given, "to_number": "+14155550109"})
    details = f"The call could not be recorded. Request id: {response['X-Request-Id']}"
    error = {"error": "Failed to initiate outbound call", "details": details}
    assert answer_of(response) == (500, error)
    assert not Call.objects.exists()
    assert not Dial.objects.exists()


def test_the_guides_template_without_params_is_no_json(api: Api, agent: Agent) -> None:
    body = f'{{"agent_id": "{agent.id}", "to_number": "{NUMBER}", "params": }}'
    assert answer_of(api.post(URL, body)) == (400, {"error": "The body is not valid JSON"})
