"""Where carriers report by themselves. Whether a report is the carrier's, the carrier's class says.

An address names one dial or message, so a report can only ever speak of that one.
"""

from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from calls import lifecycle
from calls.carriers import carrier_named
from calls.carriers.base import Callback, CallbackRefused
from calls.models import Dial
from calls.orders import credentials_of, dial_order

log = structlog.get_logger(__name__)

# A transcript of an hour; more than any carrier's form.
MAX_BODY_BYTES = 1024 * 1024


@csrf_exempt
def dial_callback(
    request: HttpRequest, carrier: str, dial_id: UUID, topic: str = ""
) -> HttpResponse:
    dial = _of_carrier(Dial.objects.select_related("call__agent"), dial_id, carrier)
    pair = (dial.call.account_id, carrier)
    order = dial_order(dial, credentials=credentials_of([pair])[pair], now=timezone.now())
    try:
        heard = carrier_named(carrier).hear(_callback(request, topic=topic), order)
    except CallbackRefused as refusal:
        return _refused(refusal, carrier=carrier, dial=str(dial_id))
    lifecycle.hear(dial_id=dial.id, heard=heard)
    return HttpResponse(heard.body, content_type=heard.content_type)


def _of_carrier(dials: Any, dial_id: UUID, carrier: str) -> Dial:
    dial: Dial | None = dials.filter(id=dial_id, call__carrier=carrier).first()
    if dial is None or carrier not in settings.CARRIERS:
        raise Http404
    return dial


def _callback(request: HttpRequest, *, topic: str) -> Callback:
    body = request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise CallbackRefused("It is larger than 1 MiB", is_forged=False)
    request._body = body  # what POST reads the fields from
    return Callback(
        method=request.method or "",
        url=settings.BASE_URL + request.get_full_path(),
        topic=topic,
        headers=request.headers,
        body=body,
        fields={**request.GET.dict(), **request.POST.dict()},
    )


def _refused(refusal: CallbackRefused, **about: str) -> HttpResponse:
    log.warning("callback_refused", why=str(refusal), **about)
    return HttpResponse(
        str(refusal), status=401 if refusal.is_forged else 400, content_type="text/plain"
    )
