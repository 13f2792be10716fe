"""`POST sms/send`: what is accepted, what is refused, and what it sets aside."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from agents.models import Account, Agent, LedgerEntry
from agents.services import disable_agent
from calls.models import Call, IdempotencyKey, Message
from core.ids import new_id
from tests.factories import DEFAULT_NUMBER, NUMBER, Api, make_account, make_agent, make_key

URL = "/api/v1/sms/send"
Work = Callable[..., None]


@pytest.fixture
def body(agent: Agent) -> dict[str, Any]:
    return {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"}


def test_accepts(api: Api, agent: Agent) -> None:
    answer = api.post(
        URL,
        {
            "agentId": agent.native_id,
            "toNumber": NUMBER,
            "fromNumber": "+14155550199",
            "message": " Hi {{ name }}, at {{time}}. {{gone}}",
            "params": {"name": "Ada", "time": "3 pm", "more": [1]},
        },
    )
    message = Message.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "status": "success",
        "messageId": message.native_id,
        "agentId": agent.native_id,
        "fromNumber": "+14155550199",
        "toNumber": NUMBER,
        "messageStatus": "queued",
        "segments": 1,
    }
    assert answer["Location"] == f"/api/v1/sms/{message.native_id}"
    assert message.native_id.startswith("sms_")
    assert message.text == " Hi Ada, at 3 pm. "
    assert message.missing_params == ["gone"]
    assert (message.status, message.mode, message.carrier) == ("queued", "live", "simulated")
    assert message.request_id == answer["X-Request-Id"]


def test_the_agent_by_its_plain_id_and_numbers_as_people_write_them(
    api: Api, agent: Agent, body: dict[str, Any]
) -> None:
    given = {**body, "agentId": str(agent.id), "toNumber": "(415) 555-0123", "fromNumber": ""}
    answer = api.post(URL, {**given, "params": None})
    assert answer.status_code == 201
    assert (answer.json()["toNumber"], answer.json()["fromNumber"]) == (NUMBER, DEFAULT_NUMBER)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agentId": ""}, "invalid_request"),
        ({"agentId": None}, "invalid_request"),
        ({"agentId": "nonsense"}, "agent_not_found"),
        ({"agentId": str(new_id())}, "agent_not_found"),
        ({"toNumber": ""}, "invalid_request"),
        ({"toNumber": "nonsense"}, "invalid_number"),
        ({"toNumber": "+1234567890"}, "invalid_number"),
        ({"fromNumber": "nonsense"}, "invalid_number"),
        ({"message": ""}, "invalid_request"),
        ({"message": None}, "invalid_request"),
        ({"message": ["Hello"]}, "invalid_request"),
        ({"message": " \n "}, "invalid_request"),
        ({"message": " {{name}} "}, "invalid_request"),
        ({"params": "x"}, "invalid_request"),
        ({"params": {"a": "x" * 16_400}}, "invalid_request"),
    ],
)
def test_refuses(api: Api, body: dict[str, Any], change: dict[str, Any], code: str) -> None:
    answer = api.post(URL, {**body, **change})
    error = answer.json()["error"]
    assert error["code"] == code
    assert answer.status_code == (404 if code == "agent_not_found" else 400)
    if code == "invalid_request":
        assert list(error["fields"]) == list(change)
    assert not Message.objects.exists()
    assert not LedgerEntry.objects.exclude(kind="top_up").exists()


def test_an_empty_body_lacks_the_fields(api: Api) -> None:
    answer = api.post(URL, b"")
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["agentId", "toNumber", "message"]


@pytest.mark.parametrize(
    ("message", "segments"), [("a" * 160, 1), ("a" * 161, 2), ("a" * 1530, 10), ("ł" * 670, 10)]
)
def test_ten_segments_are_taken(
    api: Api, body: dict[str, Any], message: str, segments: int
) -> None:
    answer = api.post(URL, {**body, "message": message})
    assert (answer.status_code, answer.json()["segments"]) == (201, segments)
    assert Message.objects.get().text == message


@pytest.mark.parametrize("text", ["a" * 1531, "a" * 1601, "ł" * 671, "€" * 761])
def test_eleven_segments_are_refused_whoever_fills_them(
    api: Api, body: dict[str, Any], text: str
) -> None:
    for given in ({"message": text}, {"message": "{{a}}", "params": {"a": text}}):
        answer = api.post(URL, {**body, **given})
        assert answer.status_code == 400
        assert answer.json()["error"]["fields"] == {
            "message": "would take 11 segments; 10 are sent at most"
        }


def test_variables_that_would_make_it_huge_are_refused(api: Api, body: dict[str, Any]) -> None:
    given = {"message": "{{a}}" * 100, "params": {"a": "x" * 10_000}}
    answer = api.post(URL, {**body, **given})
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["message"])


def test_a_senders_number_is_needed(api: Api, account: Account, body: dict[str, Any]) -> None:
    agent = make_agent(account, default_number=None)
    answer = api.post(URL, {**body, "agentId": agent.native_id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "from_number_missing")


def test_a_deleted_agent_sends_nothing(api: Api, agent: Agent, body: dict[str, Any]) -> None:
    disable_agent(agent)
    answer = api.post(URL, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "agent_disabled")


def test_a_strangers_agent_is_not_found(stranger_api: Api, body: dict[str, Any]) -> None:
    answer = stranger_api.post(URL, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")


def test_no_key_no_message(body: dict[str, Any]) -> None:
    answer = Api("").post(URL, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")


def test_the_simulated_numbers_that_the_api_itself_refuses(api: Api, body: dict[str, Any]) -> None:
    broken = api.post(URL, {**body, "toNumber": "+14155550109"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (500, "internal_error")
    poor = api.post(URL, {**body, "toNumber": "+14155550110"})
    assert (poor.status_code, poor.json()["error"]["code"]) == (402, "insufficient_credits")
    assert not Message.objects.exists()


def test_a_test_key_never_reaches_another_carrier(
    test_api: Api, api: Api, agent: Agent, body: dict[str, Any]
) -> None:
    agent.carrier = "elsewhere"
    agent.save()
    test_api.post(URL, body)
    api.post(URL, body)
    carriers = Message.objects.order_by("created_at").values_list("mode", "carrier")
    assert list(carriers) == [("test", "simulated"), ("live", "elsewhere")]


# Credits ------------------------------------------------------------------------------------------


def test_live_messages_reserve_and_settle_and_test_messages_are_free(
    api: Api, test_api: Api, account: Account, body: dict[str, Any], work: Work
) -> None:
    test_api.post(URL, body)
    assert credits_of(account) == (Decimal(1000), Decimal(0))
    api.post(URL, {**body, "message": "a" * 161})
    assert credits_of(account) == (Decimal(999), Decimal(1))
    api.post(URL, {**body, "toNumber": "+14155550104"})
    assert credits_of(account) == (Decimal("998.5"), Decimal("1.5"))

    work()

    assert credits_of(account) == (Decimal(999), Decimal(0))
    costs = [message.cost for message in Message.objects.order_by("created_at")]
    assert costs == [Decimal(0), Decimal(1), Decimal(0)]


def test_what_is_left_does_not_go_below_zero(db: None, work: Work) -> None:
    account = make_account(credits="0.9")
    agent, api = make_agent(account), Api(make_key(account))
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"}
    assert api.post(URL, body).status_code == 201
    answer = api.post(URL, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_credits")
    work()
    assert credits_of(account) == (Decimal("0.4"), Decimal(0))
    assert Message.objects.count() == 1


def test_an_account_without_limit_pays_what_it_uses(db: None, work: Work) -> None:
    account = make_account(credits=None)
    agent, api = make_agent(account), Api(make_key(account))
    api.post(URL, {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"})
    work()
    assert Message.objects.get().cost == Decimal("0.5")
    assert credits_of(account) == (None, Decimal(0))


# Idempotency --------------------------------------------------------------------------------------


def test_a_repeat_is_answered_as_the_first_was(api: Api, body: dict[str, Any], work: Work) -> None:
    first = api.post(URL, body, Idempotency_Key="order 7")
    work()
    again = api.post(URL, body, Idempotency_Key="order 7")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Message.objects.count() == 1


def test_another_body_is_a_conflict(api: Api, body: dict[str, Any]) -> None:
    api.post(URL, body, Idempotency_Key="k")
    for change in ({"toNumber": "+14155550199"}, {"params": {"a": 2}}, {"message": "Hello!"}):
        answer = api.post(URL, {**body, **change}, Idempotency_Key="k")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert Message.objects.count() == 1


def test_a_key_of_a_call_is_no_key_for_a_message_nor_the_other_way_round(
    api: Api, body: dict[str, Any]
) -> None:
    call = {name: body[name] for name in ("agentId", "toNumber")}
    api.post("/api/v1/calls/send", call, Idempotency_Key="call")
    api.post(URL, body, Idempotency_Key="message")
    for url, order, key in [
        (URL, body, "call"),
        ("/api/v1/calls/send", call, "message"),
    ]:
        answer = api.post(url, order, Idempotency_Key=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert (Call.objects.count(), Message.objects.count()) == (1, 1)


def test_a_refused_request_does_not_burn_the_key(api: Api, body: dict[str, Any]) -> None:
    assert api.post(URL, {**body, "message": ""}, Idempotency_Key="k").status_code == 400
    Account.objects.update(credits=0)
    assert api.post(URL, body, Idempotency_Key="k").status_code == 402
    assert not IdempotencyKey.objects.exists()
    Account.objects.update(credits=10)
    assert api.post(URL, body, Idempotency_Key="k").status_code == 201


def test_a_live_request_never_replays_a_test_answer(
    api: Api, test_api: Api, body: dict[str, Any]
) -> None:
    test = test_api.post(URL, body, Idempotency_Key="k").json()
    assert api.post(URL, body, Idempotency_Key="k").json()["messageId"] != test["messageId"]


@pytest.mark.django_db(transaction=True)
def test_many_at_the_same_moment_make_one_message(api: Api, body: dict[str, Any]) -> None:
    def send(_: int) -> tuple[int, str]:
        try:
            answer = api.post(URL, body, Idempotency_Key="k")
            return answer.status_code, answer.json()["messageId"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(send, range(16)))

    assert answers == {(201, Message.objects.get().native_id)}
    assert Account.objects.get().reserved == Decimal("0.5")


@pytest.mark.django_db(transaction=True)
def test_the_last_credits_are_spent_and_no_more(api: Api, body: dict[str, Any]) -> None:
    Account.objects.update(credits=2)

    def send(_: int) -> int:
        try:
            return int(api.post(URL, body).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(12)))

    assert (answers.count(201), answers.count(402)) == (4, 8)
    account = Account.objects.get()
    assert (account.credits, account.reserved) == (Decimal(0), Decimal(2))


def credits_of(account: Account) -> tuple[Decimal | None, Decimal]:
    account.refresh_from_db()
    return account.credits, account.reserved
