"""`/metrics`: the metrics as Prometheus reads them, for whoever may."""

from hmac import compare_digest

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
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
    except DatabaseError as error:
        log.warning("metrics_not_read", error=type(error).__name__)
        return HttpResponse("The database does not answer\n", status=503, content_type=PLAIN)


def _refusal(request: HttpRequest) -> str:
    """Why the client may not read them; empty if it may."""
    if not settings.METRICS_TOKEN:
        is_local = request.META.get(IS_LOCAL, False)
        return "" if is_local else "Set METRICS_TOKEN to read metrics from another machine"
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_right = compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    if scheme.lower() == "bearer" and is_right:
        return ""
    return "Send METRICS_TOKEN: Authorization: Bearer <token>"
