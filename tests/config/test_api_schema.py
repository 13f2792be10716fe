"""The API schema leaves nothing out: every route and method, their errors, headers and security."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.config.routes import every_route, methods_of


@pytest.fixture(scope="module")
def schema() -> Any:
    return Client().get("/api/schema/").json()


def operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_of_both_surfaces_is_in_it(schema: Any) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(schema)}
    routes = {
        (method, "/" + route.replace("<str:", "{").replace(">", "}"))
        for route, callback in every_route().items()
        if route.startswith(("api/v1/", "api/zapier/"))
        for method in methods_of(callback)
    }
    assert described == routes
    assert schema["openapi"].startswith("3.1")


def test_every_operation_needs_a_key_in_either_header(schema: Any) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert (schemes["apiKey"]["name"], schemes["bearer"]["scheme"]) == ("X-API-Key", "bearer")
    for path, _, operation in operations(schema):
        assert operation["security"] == [{"apiKey": []}, {"bearer": []}], path


def test_every_operation_says_how_it_fails_and_shows_it(schema: Any) -> None:
    for path, method, operation in operations(schema):
        expected = {"401", "403", "405", "429", "500"}
        expected |= {"400", "413", "415"} if "requestBody" in operation else set()
        expected |= {"404"} if "{" in path else set()
        assert expected <= set(operation["responses"]), (method, path)
        for status, answer in operation["responses"].items():
            if status >= "400" and status in expected:
                shown = answer["content"]["application/json"]["example"]
                assert ("code" in str(shown)) == path.startswith("/api/v1/"), (path, status)
    refused = schema["paths"]["/api/v1/account"]["get"]["responses"]["403"]
    assert "https_required" in refused["description"]
    assert refused["content"]["application/json"]["example"]["error"]["code"] == "https_required"


def test_every_answer_names_its_headers(schema: Any) -> None:
    of_errors = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After"}
    for path, _, operation in operations(schema):
        for status, answer in operation["responses"].items():
            named = {"X-Request-Id", of_errors.get(status, "X-Request-Id")}
            named |= {"RateLimit-Limit", "RateLimit-Reset"} if status < "400" else set()
            assert named <= set(answer["headers"]), (path, status)


def test_every_body_that_is_sent_has_an_example(schema: Any) -> None:
    bodies = [
        one["requestBody"]["content"] for *_, one in operations(schema) if "requestBody" in one
    ]
    assert len(bodies) == 10
    for content in bodies:
        assert content["application/json"]["examples"]


def test_answers_lead_on_to_what_can_be_asked_next(schema: Any) -> None:
    known = {operation["operationId"] for *_, operation in operations(schema)}
    led_to = {
        link["operationId"]
        for *_, operation in operations(schema)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert led_to <= known
    about_one = {one["operationId"] for path, _, one in operations(schema) if "{" in path}
    assert about_one == led_to
