"""The outbound-call action's `call_id`: two orders that are one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from agents.models import Account, Agent, LedgerEntry
from agents.services import change_agent, disable_agent
from calls.models import Call, Dial
from tests.factories import NUMBER, Api, make_agent, make_key

URL = "/api/zapier/actions/outbound-call"
CALL_ID = "3b241101-e2bb-4255-8caf-4136c566a962"
PLACED = {"success": True, "call_id": CALL_ID}
USED = {"error": "call_id already used"}


@pytest.fixture
def given(agent: Agent) -> dict[str, Any]:
    return {
        "agent_id": str(agent.id),
        "to_number": NUMBER,
        "params": {"a": 1, "b": [1.5, None]},
        "call_id": CALL_ID,
    }


def answer_of(response: Any) -> tuple[int, Any]:
    return response.status_code, response.json()


def test_it_is_the_calls_id(api: Api, given: dict[str, Any]) -> None:
    assert answer_of(api.post(URL, given)) == (200, PLACED)
    assert Call.objects.get().client_id == UUID(CALL_ID)


@pytest.mark.parametrize("form", [CALL_ID.upper(), CALL_ID.replace("-", ""), f" {CALL_ID} "])
def test_every_usual_spelling_is_the_same_id(api: Api, given: dict[str, Any], form: str) -> None:
    api.post(URL, given)
    assert answer_of(api.post(URL, {**given, "call_id": form})) == (200, PLACED)


def test_the_same_order_again_dials_nothing(
    api: Api, given: dict[str, Any], work: Callable[..., None]
) -> None:
    api.post(URL, given)
    work()
    again = {**given, "to_number": "415 555 0123", "params": {"b": [1.5, None], "a": 1}}
    assert answer_of(api.post(URL, again)) == (200, PLACED)
    work()
    assert (Call.objects.count(), Dial.objects.count()) == (1, 1)


def test_whatever_has_changed_meanwhile(api: Api, agent: Agent, given: dict[str, Any]) -> None:
    api.post(URL, given)
    change_agent(agent, default_number="+14155550177")
    Account.objects.update(credits=0)
    disable_agent(agent)
    assert answer_of(api.post(URL, given)) == (200, PLACED)


@pytest.mark.parametrize(
    "change",
    [
        {"to_number": "+14155550199"},
        {"from_number": "+14155550199"},
        {"params": {"a": 2}},
        {"params": ""},
    ],
)
def test_another_order_is_refused(api: Api, given: dict[str, Any], change: dict[str, Any]) -> None:
    api.post(URL, given)
    assert answer_of(api.post(URL, {**given, **change})) == (409, USED)
    assert Call.objects.count() == 1


def test_another_agent_is_refused(api: Api, account: Account, given: dict[str, Any]) -> None:
    api.post(URL, given)
    other = make_agent(account, name="Another")
    assert answer_of(api.post(URL, {**given, "agent_id": str(other.id)})) == (409, USED)


def test_a_refused_order_does_not_burn_the_id(api: Api, given: dict[str, Any]) -> None:
    assert api.post(URL, {**given, "to_number": "no"}).status_code == 400
    Account.objects.update(credits=0)
    assert api.post(URL, given).status_code == 402
    Account.objects.update(credits=10)
    assert answer_of(api.post(URL, given)) == (200, PLACED)


def test_live_and_test_do_not_share_ids(
    api: Api, test_api: Api, given: dict[str, Any], work: Callable[..., None]
) -> None:
    assert answer_of(test_api.post(URL, given)) == (200, PLACED)
    assert answer_of(api.post(URL, {**given, "params": {}})) == (200, PLACED)
    assert set(Call.objects.values_list("mode", flat=True)) == {"live", "test"}


def test_accounts_do_not_share_ids(
    api: Api, stranger: Account, stranger_api: Api, given: dict[str, Any]
) -> None:
    api.post(URL, given)
    theirs = {**given, "agent_id": str(make_agent(stranger).id)}
    assert answer_of(stranger_api.post(URL, theirs)) == (200, PLACED)
    assert Call.objects.count() == 2


def test_another_accounts_agent_is_not_there(
    api: Api, stranger_api: Api, given: dict[str, Any]
) -> None:
    api.post(URL, given)
    assert answer_of(stranger_api.post(URL, given)) == (404, {"error": "agent not found"})


@pytest.mark.parametrize("call_id", ["order 7", CALL_ID[:-1], 7, [CALL_ID], {"id": CALL_ID}])
def test_it_must_be_a_uuid(api: Api, given: dict[str, Any], call_id: object) -> None:
    response = api.post(URL, {**given, "call_id": call_id})
    assert answer_of(response) == (400, {"error": "call_id must be a UUID"})
    assert not Call.objects.exists()


def at_once(asks: list[Callable[[], Any]]) -> list[tuple[int, Any]]:
    """The answers to requests that start at the same moment, each in a thread."""
    barrier = Barrier(len(asks))

    def ask(one: Callable[[], Any]) -> tuple[int, Any]:
        try:
            barrier.wait()
            return answer_of(one())
        finally:
            connection.close()

    with ThreadPoolExecutor(len(asks)) as threads:
        return list(threads.map(ask, asks))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["live", "test"])
@pytest.mark.parametrize("credits", ["10", None])
def test_many_at_the_same_moment_make_one_call(
    account: Account, given: dict[str, Any], mode: str, credits: str | None
) -> None:
    # Ten credits are one call's: a loser that paid first would be refused for want of them.
    Account.objects.update(credits=credits)
    api = Api(make_key(account, mode=mode))

    answers = at_once([lambda: api.post(URL, given)] * 8)

    assert answers == [(200, PLACED)] * 8
    assert Call.objects.count() == 1
    assert LedgerEntry.objects.filter(kind="reserve").count() == (mode == "live")


@pytest.mark.django_db(transaction=True)
def test_of_different_orders_at_the_same_moment_one_wins(api: Api, given: dict[str, Any]) -> None:
    orders = [{**given, "params": {"n": number}} for number in range(8)]

    answers = at_once([lambda order=order: api.post(URL, order) for order in orders])  # type: ignore[misc]

    assert sorted(answers, key=str) == [(200, PLACED)] + [(409, USED)] * 7
    assert Call.objects.count() == 1


def test_our_own_id_sent_back_is_the_same_call(
    api: Api, given: dict[str, Any], work: Callable[..., None]
) -> None:
    first = api.post(URL, {**given, "call_id": ""}).json()
    assert answer_of(api.post(URL, {**given, "call_id": first["call_id"]})) == (200, first)
    work()
    assert (Call.objects.count(), Dial.objects.count()) == (1, 1)


def test_the_native_surface_knows_it_too(api: Api, test_api: Api, given: dict[str, Any]) -> None:
    for one in (api, test_api):
        one.post(URL, given)
    for form in (CALL_ID, "call_" + CALL_ID.replace("-", "")):
        assert api.get(f"/api/v1/calls/{form}").json()["mode"] == "live"
        assert test_api.get(f"/api/v1/calls/{form}").json()["mode"] == "test"


def test_numbers_that_read_back_differently_are_the_same_order(
    api: Api, given: dict[str, Any]
) -> None:
    order = {**given, "params": {"x": 1e23, "y": 0.1 + 0.2}}
    for _ in range(2):
        assert answer_of(api.post(URL, order)) == (200, PLACED)


def test_params_have_a_size(api: Api, given: dict[str, Any]) -> None:
    for size, status in ((16_000, 200), (16_400, 400)):
        answer = api.post(URL, {**given, "call_id": "", "params": {"a": "x" * size}})
        assert answer.status_code == status
    assert answer.json() == {"error": "params is larger than 16 KiB"}
