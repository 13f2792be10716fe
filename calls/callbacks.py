"""Where carriers report by themselves. Whether a report is the carrier's, the carrier's class says.

An address names one dial or message, so a report can only ever speak of that one.
"""

from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone

from calls import lifecycle, message_lifecycle, moving
from calls.carriers import carrier_named
from calls.carriers.base import Callback, CallbackRefused
from calls.models import Message
from calls.orders import credentials_of, dial_order, message_order

log = structlog.get_logger(__name__)

# A transcript of an hour; more than any carrier's form.
MAX_BODY_BYTES = 1024 * 1024


def dial_callback(
    request: HttpRequest, carrier: str, dial_id: UUID, topic: str = ""
) -> HttpResponse:
    dial = moving.find(dial_id)
    if dial is None or dial.call.carrier != carrier or carrier not in settings.CARRIERS:
        raise Http404
    pair = (dial.call.account_id, carrier)
    order = dial_order(dial, credentials=credentials_of([pair])[pair], now=timezone.now())
    try:
        heard = carrier_named(carrier).hear(_callback(request, topic=topic), order)
    except CallbackRefused as refusal:
        return _refused(refusal, carrier=carrier, dial=str(dial_id))
    lifecycle.hear(dial, heard=heard)
    return HttpResponse(heard.body, content_type=heard.content_type)


def message_callback(
    request: HttpRequest, carrier: str, message_id: UUID, topic: str = ""
) -> HttpResponse:
    message = Message.objects.filter(id=message_id, carrier=carrier).first()
    if message is None or carrier not in settings.CARRIERS:
        raise Http404
    pair = (message.account_id, carrier)
    order = message_order(message, credentials=credentials_of([pair])[pair], now=timezone.now())
    try:
        heard = carrier_named(carrier).hear_of_message(_callback(request, topic=topic), order)
    except CallbackRefused as refusal:
        return _refused(refusal, carrier=carrier, message_id=str(message_id))
    message_lifecycle.hear(message_id=message.id, heard=heard)
    return HttpResponse(heard.body, content_type=heard.content_type)


def _callback(request: HttpRequest, *, topic: str) -> Callback:
    body = _body(request)
    request._body = body  # what POST reads the fields from
    return Callback(
        method=request.method or "",
        url=settings.BASE_URL + request.get_full_path(),
        topic=topic,
        headers=request.headers,
        body=body,
        fields={**request.GET.dict(), **_form(request)},
    )


def _form(request: HttpRequest) -> dict[str, str]:
    try:
        return request.POST.dict()
    except (LookupError, UnicodeError):
        why = "It is in a character set we do not read"
        raise CallbackRefused(why, is_forged=False) from None


def _body(request: HttpRequest) -> bytes:
    try:
        body = request.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise RequestDataTooBig
    except RequestDataTooBig:
        raise CallbackRefused("It is larger than 1 MiB", is_forged=False) from None
    except UnreadablePostError as cut:
        raise CallbackRefused(str(cut), is_forged=False) from None
    return body


def _refused(refusal: CallbackRefused, **about: str) -> HttpResponse:
    log.warning("callback_refused", why=str(refusal), **about)
    return HttpResponse(
        str(refusal), status=401 if refusal.is_forged else 400, content_type="text/plain"
    )
