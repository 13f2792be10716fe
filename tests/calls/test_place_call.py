"""`POST /api/v1/calls/send`, from the request to the last webhook."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from agents.credits import top_up
from agents.models import Account, Agent, LedgerEntry
from agents.services import disable_agent
from calls.models import Call, Dial
from core.ids import new_id
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_account, make_agent, make_key
from tests.receiver import Receiver

URL = "/api/v1/calls/send"


def test_call_is_accepted_dialled_and_told_of(
    api: Api, agent: Agent, receiver: Receiver, work: Callable[..., None]
) -> None:
    webhook = api.post(
        "/api/v1/webhooks",
        {"url": receiver.url, "events": ["call.started", "call.completed", "call.failed"]},
    ).json()

    answer = api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER})

    assert answer.status_code == 201
    call = Call.objects.get()
    assert answer.json() == {
        "status": "success",
        "callId": call.native_id,
        "agentId": agent.native_id,
        "fromNumber": DEFAULT_NUMBER,
        "toNumber": NUMBER,
        "callStatus": "queued",
    }
    assert answer["Location"] == f"/api/v1/calls/{call.native_id}"
    assert call.request_id == answer["X-Request-Id"]

    work()

    seen = api.get(answer["Location"]).json()
    assert (seen["status"], seen["duration"], seen["cost"]) == ("completed", 3, "1")
    assert Dial.objects.count() == 1
    assert receiver.events == ["call.started", "call.completed"]
    for request in receiver.requests:
        assert request.verify(webhook["secret"])["data"]["callId"] == call.native_id


def test_what_is_given_is_kept(api: Api, account: Account) -> None:
    agent = make_agent(account, prompt="Call {{name}} of {{city}}", greeting="Hi {{name}}")
    campaign = new_id()
    answer = api.post(
        URL,
        {
            "agentId": str(agent.id),
            "toNumber": "(415) 555-0123",
            "fromNumber": "+442079460000",
            "params": {"name": "Ada", "n": [1, None]},
            "metadata": {"order": 7},
            "campaignId": str(campaign),
            "maxDuration": 90,
            "ringTimeout": 12,
        },
    )
    seen = api.get(answer["Location"]).json()
    call = Call.objects.get()
    assert seen == {
        "id": call.native_id,
        "agentId": agent.native_id,
        "fromNumber": "+442079460000",
        "toNumber": NUMBER,
        "status": "queued",
        "reason": None,
        "params": {"name": "Ada", "n": [1, None]},
        "metadata": {"order": 7},
        "campaignId": str(campaign),
        "mode": "live",
        "createdAt": seen["createdAt"],
        "startedAt": None,
        "endedAt": None,
        "duration": None,
        "cost": None,
        "scheduledAt": None,
        "expiresAt": seen["expiresAt"],
        "retry": None,
        "ignoreCallingHours": False,
        "queue": {"position": 1, "expectedWait": 0},
        "transcript": None,
        "summary": None,
        "recordingUrl": None,
    }
    assert seen["createdAt"].endswith("Z")
    assert (call.max_duration, call.ring_timeout) == (90, 12)
    assert (call.prompt, call.greeting) == ("Call Ada of ", "Hi Ada")
    assert call.missing_params == ["city"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"toNumber": "+1234567890"}, "invalid_number"),
        ({"toNumber": "nonsense"}, "invalid_number"),
        ({"toNumber": "+14155550123 ext. 7"}, "invalid_number"),
        ({"toNumber": "+4918001234567890"}, "invalid_number"),  # longer than E.164 allows
        ({"fromNumber": "+1"}, "invalid_number"),
        ({"agentId": "agent_123"}, "agent_not_found"),
        ({"agentId": str(new_id())}, "agent_not_found"),
        ({"agentId": None}, "invalid_request"),
        ({"toNumber": None}, "invalid_request"),
        ({"toNumber": ""}, "invalid_request"),
        ({"params": "text"}, "invalid_request"),
        ({"params": [1]}, "invalid_request"),
        ({"params": {"a": "x" * 16_400}}, "invalid_request"),
        ({"metadata": {"a": "x" * 16_400}}, "invalid_request"),
        ({"campaignId": "spring"}, "invalid_request"),
        ({"maxDuration": 9}, "invalid_request"),
        ({"maxDuration": 14401}, "invalid_request"),
        ({"ringTimeout": 4}, "invalid_request"),
        ({"ringTimeout": 301}, "invalid_request"),
        ({"ringTimeout": "soon"}, "invalid_request"),
    ],
)
def test_refuses(api: Api, agent: Agent, change: dict[str, Any], code: str) -> None:
    answer = api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER, **change})
    error = answer.json()["error"]
    assert error["code"] == code
    assert answer.status_code == (404 if code == "agent_not_found" else 400)
    if code == "invalid_request":
        assert list(error["fields"]) == list(change)
    assert not Call.objects.exists()
    assert not LedgerEntry.objects.exclude(kind="top_up").exists()


def test_the_documented_errors_word_for_word(api: Api, account: Account, agent: Agent) -> None:
    invalid = api.post(URL, {"agentId": agent.native_id, "toNumber": "+1234567890"})
    assert invalid.json() == {
        "error": {"code": "invalid_number", "message": "The provided phone number is invalid"}
    }
    Account.objects.update(credits=0)
    broke = api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER})
    assert (broke.status_code, broke.json()) == (
        402,
        {
            "error": {
                "code": "insufficient_credits",
                "message": "Your account has insufficient credits",
            }
        },
    )


def test_a_caller_id_is_needed(api: Api, account: Account) -> None:
    agent = make_agent(account, default_number=None)
    answer = api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "from_number_missing")
    given = {"agentId": agent.native_id, "toNumber": NUMBER, "fromNumber": DEFAULT_NUMBER}
    assert api.post(URL, given).json()["fromNumber"] == DEFAULT_NUMBER


def test_a_number_without_plus_needs_the_agents_country(api: Api, account: Account) -> None:
    agent = make_agent(account, default_number=None)
    body = {"agentId": agent.native_id, "toNumber": "4155550123", "fromNumber": DEFAULT_NUMBER}
    assert api.post(URL, body).json()["error"]["code"] == "invalid_number"


def test_a_deleted_agent_places_no_calls(api: Api, agent: Agent) -> None:
    disable_agent(agent)
    answer = api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "agent_disabled")


def test_a_strangers_agent_is_not_found(stranger_api: Api, agent: Agent) -> None:
    answer = stranger_api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The body is not valid JSON"),
        (b"[]", "The body must be a JSON object"),
        (b'"text"', "The body must be a JSON object"),
        (b"\xff\xfe{}", "The body is not UTF-8"),
        (b'{"agentId": "a", "agentId": "b"}', "The body names a field twice"),
        (b'{"toNumber": "\\u0000"}', "The body has a NUL character"),
        (b'{"toNumber": "\\ud800"}', "The body has half of a surrogate pair"),
        (b'{"params": {"a": 1e999}}', "The body has a number that is not finite"),
        (b'{"params": {"a": NaN}}', "The body has a number that is not finite"),
        (b"[" * 60_000, "The body is nested too deeply"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "The body is nested too deeply"),
    ],
)
def test_a_body_that_is_no_usable_json(api: Api, body: bytes, message: str) -> None:
    answer = api.post(URL, body)
    assert answer.status_code == 400
    assert answer.json() == {"error": {"code": "invalid_request", "message": message}}


def test_an_empty_body_lacks_the_fields(api: Api) -> None:
    for body in (b"", b"  "):
        answer = api.post(URL, body)
        assert list(answer.json()["error"]["fields"]) == ["agentId", "toNumber"]


def test_the_answer_after_which_nothing_was_recorded(api: Api, agent: Agent) -> None:
    answer = api.post(URL, {"agentId": agent.native_id, "toNumber": "+14155550109"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert not Call.objects.exists()


def test_the_simulated_number_without_credits(test_api: Api, agent: Agent) -> None:
    answer = test_api.post(URL, {"agentId": agent.native_id, "toNumber": "+14155550110"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_credits")


def test_live_calls_reserve_and_settle_and_test_calls_are_free(
    api: Api, test_api: Api, account: Account, agent: Agent, work: Callable[..., None]
) -> None:
    body = {"agentId": agent.native_id, "toNumber": NUMBER}
    test_api.post(URL, body)
    assert credits_of(account) == (Decimal(1000), Decimal(0))
    api.post(URL, body)
    assert credits_of(account) == (Decimal(990), Decimal(10))
    api.post(URL, {**body, "maxDuration": 61, "toNumber": "+14155550102"})
    assert credits_of(account) == (Decimal(988), Decimal(12))

    work()

    assert credits_of(account) == (Decimal(999), Decimal(0))
    entries = LedgerEntry.objects.all()
    assert sum(entry.credits for entry in entries) == Decimal(999)
    assert sum(entry.reserved for entry in entries) == Decimal(0)
    costs = {call.to_number: call.cost for call in Call.objects.filter(mode="live")}
    assert costs == {NUMBER: Decimal(1), "+14155550102": Decimal(0)}


def test_an_account_without_limit_pays_what_it_uses(db: None, work: Callable[..., None]) -> None:
    account = make_account(credits=None)
    agent, api = make_agent(account), Api(make_key(account))
    api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    assert Call.objects.get().cost == Decimal(1)
    assert api.get("/api/v1/account").json()["credits"] is None


def test_the_specs_own_curl(live_key: str, agent: Agent) -> None:
    answer = Client().post(
        URL,
        f'{{\n"agentId": "{agent.native_id}",\n"toNumber": "+14155550123"\n}}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {live_key}"},
    )
    assert answer.status_code == 201


def test_credits_add_up_exactly(db: None) -> None:
    account = make_account(credits="0")
    for _ in range(10):
        top_up(account, amount=Decimal("0.1"), reason="drops")
    agent, api = make_agent(account), Api(make_key(account))
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "maxDuration": 60}
    assert api.post(URL, body).status_code == 201
    assert credits_of(account) == (Decimal(0), Decimal(1))


def test_params_that_would_make_the_prompt_huge_are_refused(api: Api, account: Account) -> None:
    agent = make_agent(account, prompt="{{a}}" * 100)
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "params": {"a": "x" * 10_000}}
    answer = api.post(URL, body)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["params"]


def credits_of(account: Account) -> tuple[Decimal | None, Decimal]:
    account.refresh_from_db()
    return account.credits, account.reserved
