"""`/healthz`: this process answers. `/readyz`: so does everything that a call needs."""

from collections.abc import Callable

import structlog
from celery import current_app
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils.crypto import salted_hmac
from django.views.decorators.http import require_safe

from core.heartbeat import last_heard

log = structlog.get_logger(__name__)


@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    nonce = request.GET.get("nonce", "")
    asked = {"proof": proof_of(nonce), "scheme": request.scheme} if nonce else {}
    return JsonResponse({"status": "ok", **asked})


def proof_of(nonce: str) -> str:
    """What only this install answers to `nonce`, whichever of its processes is asked."""
    return salted_hmac("core.health.alive", nonce, algorithm="sha256").hexdigest()


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    checks = {name: _holds(name, check) for name, check in CHECKS.items()}
    is_ready = all(checks.values())
    body = {
        "status": "ok" if is_ready else "unavailable",
        "checks": {name: "ok" if held else "failed" for name, held in checks.items()},
    }
    return JsonResponse(body, status=200 if is_ready else 503)


def _holds(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception as error:
        log.warning("not_ready", check=name, error=type(error).__name__)
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())


def _broker() -> bool:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=1)
        return bool(broker.connected)


def _worker() -> bool:
    return last_heard() is not None


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "broker": _broker,
    "worker": _worker,
}
