"""Every route of the URL map, asked by a stranger for what is another account's.

A new route fails here until it says what a stranger may hear from it.
"""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account
from calls.carriers.dialer.signing import signed_headers, token_of
from calls.models import Call, CarrierCredentials, Dial, Message
from tests.config.others import Others
from tests.config.routes import (
    ADMIN,
    VIEW_ON_SITE,
    every_route,
    filled,
    list_pages,
    methods_of,
    object_pages,
)
from tests.factories import NUMBER, Api, make_key

# What a stranger hears: that it is not there, or what is his own.
HIDDEN, OWN = 404, 200

# By method and route; `{agent}` in a body is the other account's.
API: dict[str, tuple[int, dict[str, Any] | None]] = {
    "GET api/v1/account": (OWN, None),
    "GET api/v1/calls": (OWN, None),
    "POST api/v1/calls/send": (HIDDEN, {"agentId": "{agent}", "toNumber": NUMBER}),
    "GET api/v1/calls/<str:call_id>": (HIDDEN, None),
    "POST api/v1/calls/<str:call_id>/cancel": (HIDDEN, None),
    "GET api/v1/calls/<str:call_id>/events": (HIDDEN, None),
    "GET api/v1/do-not-call": (OWN, None),
    "POST api/v1/do-not-call": (201, {"number": "+14155550177"}),
    "GET api/v1/do-not-call/<str:number>": (HIDDEN, None),
    "DELETE api/v1/do-not-call/<str:number>": (HIDDEN, None),
    "GET api/v1/sms": (OWN, None),
    "POST api/v1/sms/send": (HIDDEN, {"agentId": "{agent}", "toNumber": NUMBER, "message": "Hi"}),
    "GET api/v1/sms/<str:message_id>": (HIDDEN, None),
    "GET api/v1/agents": (OWN, None),
    "POST api/v1/agents": (201, {"name": "Reminders"}),
    "GET api/v1/agents/<str:agent_id>": (HIDDEN, None),
    "PATCH api/v1/agents/<str:agent_id>": (HIDDEN, {"name": "Taken"}),
    "DELETE api/v1/agents/<str:agent_id>": (HIDDEN, None),
    "POST api/v1/agents/<str:agent_id>/rotate-secret": (HIDDEN, None),
    "GET api/v1/usage": (OWN, None),
    "GET api/v1/webhooks": (OWN, None),
    "POST api/v1/webhooks": (
        HIDDEN,
        {"url": "https://hear.example.org/", "events": ["call.failed"], "agentId": "{agent}"},
    ),
    "GET api/v1/webhooks/<str:webhook_id>": (HIDDEN, None),
    "PATCH api/v1/webhooks/<str:webhook_id>": (HIDDEN, {"url": "https://hear.example.org/"}),
    "DELETE api/v1/webhooks/<str:webhook_id>": (HIDDEN, None),
    "POST api/v1/webhooks/<str:webhook_id>/rotate-secret": (HIDDEN, None),
    "POST api/v1/webhooks/<str:webhook_id>/test": (HIDDEN, None),
    "POST api/v1/webhooks/<str:webhook_id>/recover": (HIDDEN, {"since": "{today}"}),
    "GET api/v1/webhooks/<str:webhook_id>/health": (HIDDEN, None),
    "GET api/v1/webhooks/<str:webhook_id>/deliveries": (HIDDEN, None),
    "GET api/v1/deliveries/<str:delivery_id>": (HIDDEN, None),
    "POST api/v1/deliveries/<str:delivery_id>/redeliver": (HIDDEN, None),
    "GET api/zapier/auth/test": (OWN, None),
    "POST api/zapier/subscribe/call-completed": (
        HIDDEN,
        {
            "agent_id": "{agent}",
            "agent_secret": "{secret}",
            "callback_url": "https://hear.example.org/",
        },
    ),
    "DELETE api/zapier/unsubscribe/<str:subscription_id>": (HIDDEN, None),
    "GET api/zapier/samples/call-disposition": (OWN, None),
    "POST api/zapier/actions/outbound-call": (HIDDEN, {"agent_id": "{agent}", "to_number": NUMBER}),
}
# Queries that name what is the other account's.
QUERIES = (
    ("/api/v1/calls?agentId={agent}", (200, 404)),
    ("/api/v1/sms?agentId={agent}", (200, 404)),
    ("/api/zapier/auth/test?agent_id={agent}&agent_secret={secret}", (404,)),
)

CARRIERS = (
    "carriers/<slug:carrier>/dials/<uuid:dial_id>",
    "carriers/<slug:carrier>/dials/<uuid:dial_id>/<slug:topic>",
    "carriers/<slug:carrier>/messages/<uuid:message_id>",
    "carriers/<slug:carrier>/messages/<uuid:message_id>/<slug:topic>",
)

# For everybody, and about nobody.
PUBLIC = {"", "favicon.ico", "admin", "admin/login/", "api/schema/", "api/docs/"}


@pytest.fixture
def others(db: None) -> Others:
    return Others()


def api_routes() -> set[str]:
    return {
        f"{method} {route}"
        for route, callback in every_route().items()
        if route.startswith(("api/v1/", "api/zapier/"))
        for method in methods_of(callback)
    }


def test_every_route_has_an_expectation() -> None:
    known = {of.split(" ")[1] for of in API}
    expected = known | PUBLIC | set(CARRIERS) | set(ADMIN) | {VIEW_ON_SITE}
    assert set(every_route()) == expected | set(object_pages()) | list_pages()
    assert api_routes() == set(API)


# The API


def asked(others: Others, key: str, *, of: str) -> Any:
    method, route = of.split(" ")
    body = {
        name: value.format(**others.words) if isinstance(value, str) else value
        for name, value in (API[of][1] or {}).items()
    }
    ask = getattr(Client(), method.lower())
    given = {"data": body, "content_type": "application/json"} if API[of][1] else {}
    return ask(filled(route, others.ids), headers={"X-API-Key": key} if key else {}, **given)


def test_a_strangers_key_opens_no_route_of_the_api(others: Others, stranger: Account) -> None:
    key, before = make_key(stranger), others.all_there_is()
    for of, (status, body) in API.items():
        answer = asked(others, key, of=of)
        assert answer.status_code == status, (of, answer.content)
        # What he said himself may be in an error.
        said = [*map(str, (body or {}).values()), *map(str, others.ids.values())]
        given_away = [one for one in others.are_in(answer.content.decode()) if one not in said]
        assert not given_away, (of, given_away)
    assert others.all_there_is() == before


def test_their_own_key_opens_what_is_hidden(others: Others) -> None:
    """Or the addresses above would be hidden for another reason than whose they are."""
    key = make_key(others.account)
    hidden = [of for of, (status, _) in API.items() if status == HIDDEN]
    # What spoils it for others comes last.
    for of in sorted(hidden, key=lambda of: (of.startswith("DELETE"), "rotate" in of)):
        assert asked(others, key, of=of).status_code in (200, 201, 202, 204), of


def test_queries_that_name_anothers_find_nothing(others: Others, stranger: Account) -> None:
    api = Api(make_key(stranger))
    for query, statuses in QUERIES:
        answer = api.get(query.format(**others.words))
        assert answer.status_code in statuses, query
        assert not others.are_in(answer.content.decode()), query


def test_without_a_key_nothing_answers(others: Others) -> None:
    before = others.all_there_is()
    for of in API:
        answer = asked(others, "", of=of)
        assert answer.status_code == 401, of
        assert not others.are_in(answer.content.decode()), of
    assert others.all_there_is() == before


# The carriers' callbacks


def credentials(account: Account, *, carrier: str, **values: str) -> dict[str, str]:
    row = CarrierCredentials(account=account, carrier=carrier)
    row.keep(values)
    row.save()
    return values


def dialled(others: Others, *, carrier: str) -> Dial:
    """A call of theirs that this carrier carries out."""
    call: Call = others.rows["calls/call"]  # type: ignore[assignment]
    Message.objects.filter(account=others.account).update(carrier=carrier)
    Call.objects.filter(id=call.id).update(carrier=carrier, status="dialing", mode="live")
    Dial.objects.filter(call=call).delete()
    now = timezone.now()
    return Dial.objects.create(call=call, asked_at=now, due_at=now, deadline_at=now)


def signed_by_twilio(path: str, *, base: str, own: dict[str, str]) -> dict[str, Any]:
    text = f"{base}{path}AccountSid{own['account_sid']}CallStatuscompleted"
    digest = hmac.new(own["auth_token"].encode(), text.encode(), hashlib.sha1).digest()
    return {
        "data": f"AccountSid={own['account_sid']}&CallStatus=completed",
        "content_type": "application/x-www-form-urlencoded",
        "headers": {"X-Twilio-Signature": base64.b64encode(digest).decode()},
    }


def signed_by_an_engine(path: str, *, id: Any, own: dict[str, str]) -> dict[str, Any]:
    body = f'{{"token": "{token_of(id)}", "status": "completed"}}'
    headers = signed_headers(body.encode(), id="1", secret=own["secret"])
    return {"data": body, "content_type": "application/json", "headers": headers}


@pytest.mark.parametrize("carrier", ["twilio", "dialer", "simulated"])
@pytest.mark.parametrize("route", CARRIERS)
def test_no_carrier_of_anothers_is_believed(
    others: Others, stranger: Account, settings: Settings, route: str, carrier: str
) -> None:
    """Whoever has credentials of an account of his own, and has learned of another's id."""
    twilio = {"account_sid": "AC" + "1" * 32, "auth_token": "own token"}
    engine = {"url": "http://127.0.0.1:9/", "secret": "own secret"}
    credentials(stranger, carrier="twilio", **twilio)
    credentials(stranger, carrier="dialer", **engine)
    credentials(others.account, carrier="dialer", url="http://127.0.0.1:9/", secret="their secret")
    dial, message = dialled(others, carrier=carrier), others.rows["calls/message"]
    ids = {"carrier": carrier, "dial_id": dial.id, "message_id": message.pk, "topic": "status"}
    path, before = filled(route, ids), others.all_there_is()

    row = dial.id if "dial_id" in route else message.pk
    forged = [
        {"data": "{}", "content_type": "application/json"},
        signed_by_twilio(path, base=settings.BASE_URL, own=twilio),
        signed_by_an_engine(path, id=row, own=engine),
    ]
    for given in forged:
        answer = Client().post(path, **given)
        # Without a topic an engine's report is refused before its signature is looked at.
        refused = (401,) if "topic" in route or carrier != "dialer" else (400,)
        assert answer.status_code in refused, (given, answer.content)
        assert not others.are_in(answer.content.decode())
    assert others.all_there_is() == before


@pytest.mark.parametrize("route", CARRIERS)
def test_an_id_counts_at_its_own_carrier_only(others: Others, route: str) -> None:
    dial, message = dialled(others, carrier="dialer"), others.rows["calls/message"]
    ids = {"dial_id": dial.id, "message_id": message.pk, "topic": "status"}
    for carrier in ("twilio", "simulated", "nobody"):
        answer = Client().post(filled(route, {"carrier": carrier, **ids}), "{}", "application/json")
        assert answer.status_code == 404, carrier
