"""`/metrics`: the metrics as Prometheus reads them, for whoever may."""

from hmac import compare_digest
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from core.middleware import IS_LOCAL
from operations.metrics import Metrics

log = structlog.get_logger(__name__)

PLAIN = "text/plain; charset=utf-8"


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if refusal := _refusal(request):
        return HttpResponse(f"{refusal}\n", status=403, content_type=PLAIN)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    # Not the library's own registry: that one knows of one process, and a scrape meets any.
    registry = CollectorRegistry()
    try:
        registry.register(Metrics())
        return HttpResponse(encode(registry), content_type=content_type)
    except Error as error:
        log.warning("metrics_not_read", error=type(error).__name__)
        return HttpResponse("The database does not answer\n", status=503, content_type=PLAIN)


def _refusal(request: HttpRequest) -> str:
    """Why the client may not read them; empty if it may."""
    if not settings.METRICS_TOKEN:
        return _refusal_without_token(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_right = compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    if scheme.lower() == "bearer" and is_right:
        return ""
    return "Send METRICS_TOKEN: Authorization: Bearer <token>"


def _refusal_without_token(request: HttpRequest) -> str:
    if not request.META.get(IS_LOCAL, False):
        return "Set METRICS_TOKEN to read metrics from another machine"
    # A stranger's name may be made to lead here: then a browser on this machine, which sends that
    # name as Host, would read them for the stranger's page.
    if not _is_loopback(request.headers.get("Host", "")):
        return "Set METRICS_TOKEN to read metrics under another name than localhost or 127.0.0.1"
    return ""


def _is_loopback(host: str) -> bool:
    name, _ = split_domain_port(host)
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
