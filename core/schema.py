"""What the API schema says beyond the views: tags, errors and headers of every operation."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

NATIVE = "/api/v1/"
ERROR_REF = "#/components/schemas/Error"
METHODS = ("get", "post", "put", "patch", "delete")

# What any operation may answer, as far as its shape allows.
ERRORS = {
    400: "The request is invalid; `fields` says where",
    401: "The key is missing or invalid",
    403: "The key lacks the scope that is needed, or may not be used from this address",
    404: "There is no such thing in this account",
    413: "The body is larger than 64 KiB",
    415: "The body is not JSON",
    429: "Too many requests",
    500: "Something went wrong on our side",
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
SECONDS = {"schema": {"type": "integer"}}
LIMIT_HEADERS = {
    "RateLimit-Limit": {"description": "Requests a minute for this key.", **SECONDS},
    "RateLimit-Remaining": {"description": "How many are left in this window.", **SECONDS},
    "RateLimit-Reset": {"description": "Seconds until the window ends.", **SECONDS},
}
REQUEST_ID = {"X-Request-Id": {"description": "For support.", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", **SECONDS}}


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
    for path, operations in result["paths"].items():
        error = "Error" if path.startswith(NATIVE) else "ZapierError"
        for method in METHODS:
            if method in operations:
                _add_to(operations[method], path=path, error=error)
    return result


def _add_to(operation: dict[str, Any], *, path: str, error: str) -> None:
    responses = operation["responses"]
    for status in _statuses(operation, path=path):
        described = {"description": ERRORS[status], "content": _content(error)}
        responses.setdefault(str(status), described)
    for status, response in responses.items():
        retry = RETRY_AFTER if status == "429" else {}
        response["headers"] = {**REQUEST_ID, **LIMIT_HEADERS, **retry}
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(operation: dict[str, Any], *, path: str) -> list[int]:
    has_body, has_inputs = "requestBody" in operation, "parameters" in operation
    can_happen = {400: has_body or has_inputs, 404: "{" in path, 413: has_body, 415: has_body}
    return [status for status in ERRORS if can_happen.get(status, True)]


def error(description: str) -> OpenApiResponse:
    """An error of the native API, for the `responses` of an operation that names its own."""
    return OpenApiResponse(response={"$ref": ERROR_REF}, description=description)


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
