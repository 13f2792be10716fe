"""The view bases of both surfaces: key, limit, and every error in the surface's own dialect."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from agents.auth import ApiKeyAuthentication
from agents.models import Account, ApiKey
from agents.parsing import JsonBody, given_inputs
from agents.scopes import Scope, Scopes, check_scope
from agents.throttling import Usage, count_request, too_many
from core import errors
from core.pagination import NewestFirst
from core.responses import error_response

log = structlog.get_logger(__name__)


class AlwaysJson(BaseContentNegotiation):
    """Whatever a client says it accepts, it gets JSON: better than an error about the error."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class KeyView(APIView):
    """A view that only a key opens. Counts the request and says so in the answer's headers."""

    # Which scope each of the view's methods needs; one that names none is a 500, for any key.
    scopes: Scopes = {}
    authentication_classes = [ApiKeyAuthentication]
    content_negotiation_class = AlwaysJson
    metadata_class = None  # OPTIONS is a method like any other that is not allowed
    usage: Usage | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        structlog.contextvars.bind_contextvars(key=str(self.api_key.id))
        self.usage = count_request(self.api_key)
        if self.usage.is_exceeded:
            raise too_many(self.usage.reset_seconds)
        self._check_scope(request)

    def _check_scope(self, request: Request) -> None:
        method = "GET" if request.method == "HEAD" else str(request.method)
        is_refused_anyway = method == "OPTIONS" or not hasattr(self, method.lower())
        if not is_refused_anyway:
            check_scope(self.scopes[method], given=self.api_key.scopes)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.usage.headers if self.usage else {}).items():
            response[name] = value
        if self.usage and "Retry-After" in response:
            # Whichever limit refused it, the headers agree on when it is over.
            response["RateLimit-Reset"] = response["Retry-After"]
        return response

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], JsonResponse]:
        return answer_exception

    @property
    def account(self) -> Account:
        account = self.request.user
        if not isinstance(account, Account):
            raise errors.MissingApiKey
        return account

    @property
    def api_key(self) -> ApiKey:
        key = self.request.auth
        if not isinstance(key, ApiKey):
            raise errors.MissingApiKey
        return key


class NativeView(KeyView):
    """Native API: a JSON object in, a JSON object out."""

    parser_classes = [JsonBody]

    def asked_for(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The query string, validated.

        As a plain dict: DRF takes an empty value of a query for one that was left out, and whoever
        filters by a variable that happens to be empty would get everything.
        """
        given = serializer(data=self.request.query_params.dict())
        given.is_valid(raise_exception=True)
        asked: dict[str, Any] = given.validated_data
        return asked


class NativeListView(NativeView):
    """A list, page by page. The schema reads `pagination_class` too."""

    pagination_class: type[NewestFirst] = NewestFirst

    def page(self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
        """The page of `rows` that the request asks for."""
        pages = self.pagination_class()
        page = pages.paginate_queryset(rows, self.request, view=self)
        return pages.get_paginated_response(serializer(page, many=True).data)


class ZapierView(KeyView):
    """Zapier: inputs by a JSON body, a form or the query string; always JSON out."""

    scopes = {"GET": Scope.ZAPIER, "POST": Scope.ZAPIER, "DELETE": Scope.ZAPIER}
    parser_classes = [JsonBody, FormParser, MultiPartParser]

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What was given: by the body first, then by the query string."""
        try:
            body: Any = self.request.data
        except (LookupError, UnicodeError):
            raise errors.InvalidRequest("The body is in a character set we do not read") from None
        return given_inputs(body, self.request.query_params)

    def require(self, *names: str) -> None:
        """Raise InvalidRequest with the guide's sentence for those inputs that are missing."""
        missing = [name for name in names if name not in self.inputs]
        if missing:
            raise errors.InvalidRequest(f"Missing required: {', '.join(missing)}")


def answer_exception(exception: Exception, context: dict[str, Any]) -> JsonResponse:
    request: Request = context["request"]
    error = as_domain_error(exception)
    if isinstance(error, errors.InternalError):
        log.error("request_failed", exc_info=exception)
    return error_response(request._request, error)


def as_domain_error(exception: Exception) -> errors.DomainError:
    """What Django and DRF raise, in our words."""
    if isinstance(exception, errors.DomainError):
        return exception
    if isinstance(exception, exceptions.ValidationError):
        fields = dict(_flat(exception.detail))
        return errors.InvalidRequest(_sentence(fields), fields=fields)
    if isinstance(exception, exceptions.ParseError):
        return errors.InvalidRequest(str(exception.detail))
    for kind, domain_error in _DOMAIN_ERRORS.items():
        if isinstance(exception, kind):
            return domain_error()
    return errors.InternalError()


_DOMAIN_ERRORS: dict[type[Exception], type[errors.DomainError]] = {
    Http404: errors.NotFound,
    exceptions.NotFound: errors.NotFound,
    exceptions.MethodNotAllowed: errors.MethodNotAllowed,
    exceptions.UnsupportedMediaType: errors.UnsupportedMediaType,
    RequestDataTooBig: errors.PayloadTooLarge,
    UnreadablePostError: errors.BodyNotArrived,
    SuspiciousOperation: errors.InvalidRequest,
}


def _flat(detail: Any, path: str = "") -> list[tuple[str, str]]:
    """DRF's nested details as (field path, first message)."""
    if isinstance(detail, list) and detail and not isinstance(detail[0], dict | list):
        detail = detail[0]
    if not isinstance(detail, dict | list):
        return [(path or "body", str(detail))]
    named = detail.items() if isinstance(detail, dict) else enumerate(detail)
    return [pair for name, value in named for pair in _flat(value, _below(path, name))]


def _below(path: str, name: object) -> str:
    # What is wrong with an object as a whole is said of the object.
    return path if name == api_settings.NON_FIELD_ERRORS_KEY else f"{path}.{name}".strip(".")


def _sentence(fields: dict[str, str]) -> str:
    name, message = next(iter(fields.items()), ("body", "is invalid"))
    return f"{name}: {message}"
