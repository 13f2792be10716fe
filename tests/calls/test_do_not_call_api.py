"""`/api/v1/do-not-call`: the list that a client keeps, and the calls that it stops."""

import pytest

from agents.models import Account, Agent
from calls.do_not_call import list_number
from calls.errors import NumberOnDoNotCallList
from calls.models import Call, DoNotCall
from calls.policy import check_message_accept
from tests.factories import NUMBER, Api

URL = "/api/v1/do-not-call"
OTHER = "+442079460000"


def test_a_number_is_added_once(api: Api, account: Account) -> None:
    first = api.post(URL, {"number": "+1 (415) 555-0123", "note": "Asked on the phone"})
    again = api.post(URL, {"number": NUMBER, "note": "Another note"})

    assert (first.status_code, again.status_code) == (201, 200)
    row = DoNotCall.objects.get()
    assert (row.account, row.number) == (account, NUMBER)
    assert first.json() == again.json()
    assert first.json() == {
        "number": NUMBER,
        "note": "Asked on the phone",
        "createdAt": first.json()["createdAt"],
    }
    assert first.json()["createdAt"].endswith("Z")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"number": ""}, "invalid_request"),
        ({"number": NUMBER, "note": "x" * 201}, "invalid_request"),
        ({"number": [NUMBER]}, "invalid_request"),
        ({"number": "4155550123"}, "invalid_number"),
        ({"number": "+1234567890"}, "invalid_number"),
    ],
)
def test_refuses(api: Api, body: dict[str, object], code: str) -> None:
    answer = api.post(URL, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert not DoNotCall.objects.exists()


def test_a_note_may_have_200_characters(api: Api) -> None:
    assert api.post(URL, {"number": NUMBER, "note": "x" * 200}).status_code == 201


def test_list_is_newest_first_page_by_page(api: Api, account: Account) -> None:
    numbers = [f"+1415555{last:04}" for last in range(120, 125)]
    for number in numbers:
        list_number(account, number=number)

    first = api.get(f"{URL}?limit=3").json()
    second = api.get(first["next"]).json()

    listed = [item["number"] for item in first["results"] + second["results"]]
    assert listed == numbers[::-1]
    assert second["next"] is None


@pytest.mark.parametrize("spelling", ["%2B14155550123", "+14155550123", "14155550123"])
def test_a_number_is_filtered_found_and_deleted(api: Api, account: Account, spelling: str) -> None:
    list_number(account, number=NUMBER)
    list_number(account, number=OTHER)

    found = api.get(f"{URL}?number={spelling}").json()["results"]
    assert [item["number"] for item in found] == [NUMBER]
    assert api.get(f"{URL}/{spelling}").json()["number"] == NUMBER
    assert api.delete(f"{URL}/{spelling}").status_code == 204
    assert [row.number for row in DoNotCall.objects.all()] == [OTHER]
    for ask in (api.get, api.delete):
        gone = ask(f"{URL}/{spelling}")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "number_not_found")


def test_what_is_no_number(api: Api, account: Account) -> None:
    assert api.get(f"{URL}?number=abc").json()["error"]["fields"] == {
        "number": "is no phone number"
    }
    assert api.get(f"{URL}/abc").json()["error"]["code"] == "number_not_found"


def test_a_stranger_sees_and_stops_nothing(
    api: Api, stranger_api: Api, account: Account, agent: Agent
) -> None:
    list_number(account, number=NUMBER)
    assert stranger_api.get(URL).json()["results"] == []
    assert stranger_api.get(f"{URL}/{NUMBER}").status_code == 404
    assert stranger_api.delete(f"{URL}/{NUMBER}").status_code == 404
    assert stranger_api.post(URL, {"number": NUMBER}).status_code == 201
    assert DoNotCall.objects.count() == 2


def test_a_listed_number_is_not_called(
    api: Api, test_api: Api, account: Account, agent: Agent
) -> None:
    list_number(account, number=NUMBER)
    for one in (api, test_api):
        answer = one.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": NUMBER})
        assert answer.status_code == 403
        assert answer.json() == {
            "error": {
                "code": "do_not_call",
                "message": "This number is on the account's do-not-call list",
            }
        }
    zapier = api.post(
        "/api/zapier/actions/outbound-call", {"agent_id": str(agent.id), "to_number": NUMBER}
    )
    assert (zapier.status_code, zapier.json()) == (403, {"error": "do not call"})
    assert not Call.objects.exists()
    account.refresh_from_db()
    assert account.reserved == 0

    other = api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": OTHER})
    assert other.status_code == 201


def test_a_refused_call_does_not_burn_its_idempotency_key(
    api: Api, account: Account, agent: Agent
) -> None:
    row, _ = list_number(account, number=NUMBER)
    body = {"agentId": agent.native_id, "toNumber": NUMBER}
    assert api.post("/api/v1/calls/send", body, Idempotency_Key="k").status_code == 403
    row.delete()
    assert api.post("/api/v1/calls/send", body, Idempotency_Key="k").status_code == 201


def test_a_listed_number_gets_no_message(account: Account, stranger: Account) -> None:
    list_number(account, number=NUMBER)
    with pytest.raises(NumberOnDoNotCallList):
        check_message_accept(account, number=NUMBER)
    check_message_accept(account, number=OTHER)
    check_message_accept(stranger, number=NUMBER)
