"""What the API schema says beyond the views: tags, errors and headers of every operation."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_serializer

from core import errors
from core.errors import DomainError, native_body, zapier_body

Serializer = TypeVar("Serializer")

NATIVE = "/api/v1/"
ERROR_REF = "#/components/schemas/Error"
METHODS = ("get", "post", "put", "patch", "delete")

# What any operation may answer, as far as its shape allows: in words, and one such error.
ERRORS: dict[int, tuple[str, DomainError]] = {
    400: ("The request is invalid; `fields` says where", errors.InvalidRequest()),
    401: ("The key is missing or invalid", errors.MissingApiKey()),
    403: (
        "`scope_missing`, `address_not_allowed`: the key lacks the scope that is needed, or may "
        "not be used from this address. `https_required`: the request came over plain http",
        errors.HttpsRequired(),
    ),
    404: ("There is no such thing in this account", errors.NotFound()),
    405: ("Any other method on this path; `Allow` names those it has", errors.MethodNotAllowed()),
    413: ("The body is larger than 64 KiB", errors.PayloadTooLarge()),
    415: ("The body is not of a type that is read", errors.UnsupportedMediaType()),
    429: (
        "Too many requests of this key, or bad keys of this address",
        errors.RateLimitExceeded(reset_seconds=30, reset_at="2026-01-31T09:00:30Z"),
    ),
    500: ("Something went wrong on our side", errors.InternalError()),
}
NATIVE_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "Stable; for programs."},
                "message": {"type": "string", "description": "For people."},
                "scope": {
                    "type": "string",
                    "description": "Which one is missing, with scope_missing.",
                },
                "fields": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "What is wrong with which field, where it is about fields.",
                },
                "reset_at": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When requests are taken again, with rate_limit_exceeded.",
                },
                "request_id": {
                    "type": "string",
                    "description": "As in X-Request-Id, with internal_error. For support.",
                },
            },
        }
    },
}
ZAPIER_ERROR = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("error", "detail", "details")},
}
HEADERS: dict[str, tuple[str, str]] = {
    "X-Request-Id": ("string", "For support: our logs have it too."),
    "RateLimit-Limit": ("integer", "Requests a minute for this key."),
    "RateLimit-Remaining": ("integer", "How many are left in this window."),
    "RateLimit-Reset": ("integer", "Seconds until the window ends."),
    "Retry-After": ("integer", "Seconds to wait."),
    "WWW-Authenticate": ("string", "`Bearer`."),
    "Allow": ("string", "The methods that this path has."),
}
LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# What an error has beyond the id of the request. What is refused before the key was read says
# nothing of its limit.
OF_ERRORS = {"401": ["WWW-Authenticate"], "405": ["Allow"], "429": ["Retry-After"]}


class ApiSchema(AutoSchema):
    """Operations are described where they are declared, never by a base class's docstring."""

    def get_description(self) -> str:  # type: ignore[override] # the stubs mix up two bases
        return ""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        scope = getattr(self.view, "scopes", {}).get(self.method)
        if operation and scope:
            needs = f"Needs the scope `{scope}`."
            operation["description"] = f"{operation.get('description', '')} {needs}".strip()
        return operation

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/").removeprefix("v1/").split("/")[0]]


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook: the errors and headers that every answer may have."""
    result["components"]["schemas"] |= {"Error": NATIVE_ERROR, "ZapierError": ZAPIER_ERROR}
    result["components"]["headers"] = {
        name: {"description": said, "schema": {"type": type}, "required": True}
        for name, (type, said) in HEADERS.items()
    }
    for path, operations in result["paths"].items():
        for method in METHODS:
            if method in operations:
                _add_to(operations[method], path=path)
    return result


def _add_to(operation: dict[str, Any], *, path: str) -> None:
    responses = operation["responses"]
    for status in _statuses(operation, path=path):
        said, example = ERRORS[status]
        response = responses.setdefault(str(status), {"description": said})
        _describe(response, example, is_native=path.startswith(NATIVE))
    for status, response in responses.items():
        named = ["X-Request-Id", *(LIMIT_HEADERS if status < "400" else OF_ERRORS.get(status, []))]
        own = response.get("headers", {})
        response["headers"] = {**own, **{name: _header(name) for name in named}}
    operation["responses"] = dict(sorted(responses.items()))


def _describe(response: dict[str, Any], error: DomainError, *, is_native: bool) -> None:
    name = "Error" if is_native else "ZapierError"
    content = response.setdefault("content", _content(name))["application/json"]
    if "example" not in content and "examples" not in content:
        content["example"] = native_body(error) if is_native else zapier_body(error)


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _statuses(operation: dict[str, Any], *, path: str) -> list[int]:
    has_body, has_inputs = "requestBody" in operation, "parameters" in operation
    can_happen = {400: has_body or has_inputs, 404: "{" in path, 413: has_body, 415: has_body}
    return [status for status in ERRORS if can_happen.get(status, True)]


def asked_as(body: dict[str, Any]) -> Callable[[type[Serializer]], type[Serializer]]:
    """Show `body` as what a request with this serializer looks like."""
    example = OpenApiExample("usual", value=body, request_only=True)
    decorate: Callable[[type[Serializer]], type[Serializer]] = extend_schema_serializer(
        examples=[example]
    )
    return decorate


def error(description: str) -> OpenApiResponse:
    """An error of the native API, for the `responses` of an operation that names its own."""
    return OpenApiResponse(response={"$ref": ERROR_REF}, description=description)


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
