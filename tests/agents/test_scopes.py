"""A key does what its scopes say, and nothing else."""

from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver

from agents.models import Account, Agent
from agents.scopes import Scope
from agents.views import KeyView
from config.urls import urlpatterns
from tests.factories import NUMBER, Api, make_key

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What describes the API, and says nothing of anybody.
OPEN = {"api/schema/", "api/docs/"}


def api_views() -> Iterator[tuple[str, type[KeyView]]]:
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern | URLResolver)
        route = str(pattern.pattern)
        if route.startswith("api/") and route not in OPEN:
            yield route, pattern.callback.view_class  # type: ignore[union-attr]


def operations() -> list[tuple[str, str]]:
    return [
        (method, f"/{route}")
        for route, view in api_views()
        for method in METHODS
        if hasattr(view, method.lower())
    ]


def test_every_route_declares_the_scope_of_every_method() -> None:
    for route, view in api_views():
        assert issubclass(view, KeyView), route
        answered = {method for method in METHODS if hasattr(view, method.lower())}
        assert answered, route
        assert answered <= view.scopes.keys(), f"{route} does not say which scope it needs"
        assert all(scope is None or scope in Scope for scope in view.scopes.values())


def test_only_the_account_is_open_to_any_key() -> None:
    opened = {
        f"{method} {route}"
        for route, view in api_views()
        for method, scope in view.scopes.items()
        if scope is None
    }
    assert opened == {"GET api/v1/account"}


@pytest.mark.parametrize(("method", "path"), operations())
def test_a_key_without_the_scope_is_refused(account: Account, method: str, path: str) -> None:
    view = dict(api_views())[path.removeprefix("/")]
    needed = view.scopes[method]
    others = [scope for scope in Scope if scope != needed]
    api = Api(make_key(account, scopes=others))

    answer = api._ask(method.lower(), path.replace("<str:", "").replace(">", ""), headers={})

    if needed is None:
        assert answer.status_code == 200
        return
    sentence = f"This key lacks the scope {needed}"
    assert answer.status_code == 403
    assert answer.json() == (
        {"error": sentence}
        if "zapier" in path
        else {"error": {"code": "scope_missing", "message": sentence, "scope": needed.value}}
    )
    assert "RateLimit-Remaining" in answer


def test_a_key_places_calls_and_reads_none(account: Account, agent: Agent) -> None:
    api = Api(make_key(account, mode="test", scopes=["calls:write"]))
    order = {"agentId": agent.native_id, "toNumber": NUMBER}

    placed = api.post("/api/v1/calls/send", order)

    assert placed.status_code == 201
    assert api.get(placed["Location"]).status_code == 403
    assert api.get("/api/v1/account").status_code == 200
    assert api.post("/api/v1/sms/send", order | {"message": "Hi"}).status_code == 403


def test_a_zapier_key_opens_nothing_else(account: Account) -> None:
    api = Api(make_key(account, scopes=["zapier"]))

    assert api.get("/api/zapier/auth/test").status_code == 200
    assert api.get("/api/v1/calls").status_code == 403


@pytest.mark.parametrize(("scopes", "status"), [(["calls:read"], 200), (["sms"], 403)])
def test_a_head_request_needs_what_a_get_does(
    account: Account, scopes: list[str], status: int
) -> None:
    assert (
        Api(make_key(account, scopes=scopes))._ask("head", "/api/v1/calls", headers={}).status_code
        == status
    )


def test_a_new_key_has_every_scope_unless_some_are_chosen(account: Account) -> None:
    make_key(account)
    assert account.api_keys.get().scopes == list(Scope.values)
