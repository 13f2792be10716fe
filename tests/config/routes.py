"""Every address of the URL map, as its patterns spell it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.urls import get_resolver

from tests.config.pages import every_admin

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Pages of nobody's rows, and how they answer an operator of some accounts.
ADMIN = {
    "admin/": 200,
    "admin/search/": 200,
    "admin/logout/": 405,
    "admin/password_change/": 200,
    "admin/password_change/done/": 200,
    "admin/autocomplete/": 403,  # without a field; with one below
    "admin/jsi18n/": 200,
    "admin/<app_label>/": 200,
    "admin/<url>": 404,
    "admin/calls/donotcall/import/": 200,
    "admin/operations/alertrule/send_test/": 403,
    "admin/doctor/": 403,
    "admin/second-step/": 302,  # on, for who needs none
    "admin/second-factor/": 200,
}
# Django writes two of its patterns so.
REGEX = re.compile(r"\(\?P<(\w+)>[^)]*\)")

VIEW_ON_SITE = "admin/r/<path:content_type_id>/<path:object_id>/"
# Whose rows a page is about, where its address does not say.
ABOUT = {"admin/calls/call/place/<path:object_id>/": "agents/agent"}


def every_route() -> dict[str, Any]:
    """What answers, by route: `api/v1/calls/<str:call_id>`."""
    return dict(_walk(get_resolver().url_patterns))


def _walk(patterns: Iterable[Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for one in patterns:
        route = before + REGEX.sub(r"<\1>", str(one.pattern)).strip("^$")
        if hasattr(one, "url_patterns"):
            yield from _walk(one.url_patterns, route)
        else:
            yield route, one.callback


def methods_of(callback: Any) -> list[str]:
    """The methods that a view of the API answers."""
    return [name for name in METHODS if hasattr(callback.cls, name.lower())]


def filled(route: str, ids: Mapping[str, object]) -> str:
    """The address of the route with these ids in it."""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(ids[found[1]]), route)


def object_pages() -> dict[str, str]:
    """The routes of the admin's pages about one row, with the kind of the row."""
    found = {}
    for route in every_route():
        if route.startswith("admin/") and ("<path:object_id>" in route or "<id>" in route):
            kind = "/".join(route.split("/")[1:3])
            if route != VIEW_ON_SITE:
                found[route] = ABOUT.get(route, kind)
    return found


def list_pages() -> set[str]:
    return {f"admin/{path}/{page}" for path in every_admin() for page in ("", "add/")}
