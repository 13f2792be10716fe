"""An error as the response that its surface promises."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from core.errors import DomainError, InternalError, native_body, zapier_body

API = "/api/"
ZAPIER = "/api/zapier/"
CARRIERS = "/carriers/"


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API)


def is_of_program(request: HttpRequest) -> bool:
    """Whether no browser asks: a client of the API, or a carrier that reports."""
    return request.path.startswith((API, CARRIERS))


def error_response(request: HttpRequest, error: DomainError, **more: Any) -> JsonResponse:
    """`error` in the dialect of the surface that `request` came in by, with `more` in its body."""
    if isinstance(error, InternalError):
        error.extra["request_id"] = request.META["REQUEST_ID"]
    body = zapier_body(error) if request.path.startswith(ZAPIER) else native_body(error)
    response = JsonResponse({**more, **body}, status=error.status, headers=error.headers)
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response
