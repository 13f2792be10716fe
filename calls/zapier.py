"""Zapier: the action that places a call, and samples of what the trigger tells."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.http import JsonResponse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Account
from agents.parsing import read_json
from agents.serializers import RetrySerializer
from agents.views import ZapierView, answer_exception, as_domain_error
from agents.zapier import zapier_error
from calls import services
from calls.errors import CallNotRecorded
from calls.models import TERMINAL, Call, Status
from calls.serializers import JSON_OBJECT, MomentField, disposition
from core.errors import InternalError, InvalidRequest
from core.ids import parse_id
from core.responses import error_response
from core.schema import asked_as
from webhooks.models import Event
from webhooks.payloads import zapier_body

SAMPLES = 3
REQUIRED = ("agent_id", "to_number")

log = structlog.get_logger(__name__)


@asked_as(
    {
        "agent_id": "01a200fd-3af6-71c0-9d1a-349227a8fae4",
        "to_number": "+14155550123",
        "params": {"name": "Ada"},
    }
)
class OutboundCallSerializer(serializers.Serializer[Any]):
    agent_id = serializers.CharField()
    to_number = serializers.CharField(help_text="E.164, as +14155550123.")
    from_number = serializers.CharField(
        required=False, help_text="The agent's default number where it is left out."
    )
    params = extend_schema_field(JSON_OBJECT)(serializers.JSONField)(
        required=False, help_text="An object, or a string with one; anything else is {}."
    )
    call_id = serializers.UUIDField(
        required=False, help_text="The same order with the same id dials once."
    )
    campaign_id = serializers.UUIDField(required=False)
    scheduled_at = serializers.DateTimeField(required=False, help_text="Not to be dialled before.")
    expires_at = serializers.DateTimeField(
        required=False, help_text="Canceled if it was not dialled until then."
    )
    retry = RetrySerializer(required=False, help_text="An object, or a string with one.")
    ignore_calling_hours = serializers.BooleanField(required=False)


class TimingSerializer(serializers.Serializer[Any]):
    """What is read strictly: a call at the wrong hour is worse than none."""

    scheduled_at = MomentField(required=False)
    expires_at = MomentField(required=False)
    retry = RetrySerializer(required=False)
    ignore_calling_hours = serializers.BooleanField(required=False)


class OutboundCallPlacedSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    call_id = serializers.UUIDField()


class DispositionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="The event's, the same on every retry.")
    call_id = serializers.UUIDField()
    agent_id = serializers.UUIDField()
    campaign_id = serializers.UUIDField(allow_null=True)
    status = serializers.CharField(help_text="completed, voicemail, busy or failed.")
    reason = serializers.CharField(allow_null=True)
    duration = serializers.IntegerField(allow_null=True, help_text="Seconds from answer to end.")
    to_number = serializers.CharField()
    from_number = serializers.CharField()
    params = extend_schema_field(JSON_OBJECT)(serializers.JSONField)()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField()
    transcript = serializers.CharField(allow_null=True)
    summary = serializers.CharField(allow_null=True)
    recording_url = serializers.CharField(allow_null=True)


class OutboundCallView(ZapierView):
    @extend_schema(
        operation_id="zapierPlaceCall",
        summary="Place a call; the query string carries these inputs too",
        request={
            "application/json": OutboundCallSerializer,
            "application/x-www-form-urlencoded": OutboundCallSerializer,
        },
        responses={
            200: OutboundCallPlacedSerializer,
            400: zapier_error(
                "Missing required: agent_id, to_number; invalid to_number; invalid from_number; "
                "from_number missing and agent has no default_number; from_number not allowed; "
                "call_id must be a UUID; campaign_id must be a UUID"
            ),
            402: zapier_error("insufficient credits"),
            403: zapier_error(
                "agent disabled; do not call; country not allowed; outside calling hours; "
                "person called too often; This key lacks the scope zapier; "
                "This key may not be used from this address"
            ),
            404: zapier_error("agent not found"),
            409: zapier_error("call_id already used"),
            500: zapier_error("Failed to initiate outbound call; with `details`"),
        },
    )
    def post(self, request: Request) -> Response:
        self.require(*REQUIRED)
        given = self.inputs
        order = services.CallRequest(
            agent_id=given["agent_id"],
            to_number=given["to_number"],
            from_number=given.get("from_number"),
            params=_params(given.get("params")),
            campaign_id=self._uuid("campaign_id"),
            **_timing(given),
        )
        origin = services.Origin.of(self.api_key, meta=request.META)
        call = services.place_call(order, origin=origin, client_id=self._uuid("call_id")).call
        return Response({"success": True, "call_id": str(call.zapier_id)})

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], JsonResponse]:
        return answer_refusal

    def _uuid(self, name: str) -> UUID | None:
        if name not in self.inputs:
            return None
        value = parse_id(name.removesuffix("_id"), self.inputs[name])
        if value is None:
            raise InvalidRequest(f"{name} must be a UUID")
        return value


class SamplesView(ZapierView):
    @extend_schema(
        operation_id="zapierListSamples",
        summary="List the account's newest dispositions, or a made-up one",
        responses=DispositionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(samples(self.account))


def answer_refusal(exception: Exception, context: dict[str, Any]) -> JsonResponse:
    """As everywhere, but where the call could not be recorded the guide wants `details` too."""
    if not isinstance(as_domain_error(exception), InternalError):
        return answer_exception(exception, context)
    request: Request = context["request"]
    log.error("call_not_recorded", exc_info=exception)
    details = f"{CallNotRecorded.message}. Request id: {request.META.get('REQUEST_ID', '')}"
    return error_response(request._request, CallNotRecorded(), details=details)


def samples(account: Account) -> list[dict[str, Any]]:
    """What Zapier was or would have been told of the account's newest ended calls."""
    calls = Call.objects.for_account(account).filter(status__in=TERMINAL)[:SAMPLES]
    subjects = [call.native_id for call in calls]
    ended = Event.objects.for_account(account).filter(subject__in=subjects).exclude(zapier_body="")
    event_ids = dict(ended.values_list("subject", "id"))
    told = [_told(call, event_id=event_ids.get(call.native_id, call.id)) for call in calls]
    return told or [_told(_made_up(), event_id=UUID(int=1))]


def _told(call: Call, *, event_id: UUID) -> dict[str, Any]:
    """Through the same function as a live delivery, so that no field can differ."""
    body: dict[str, Any] = json.loads(zapier_body(disposition(call), event_id=event_id))
    return body


def _made_up() -> Call:
    """For an account that has placed no call yet."""
    began = datetime(2025, 1, 1, tzinfo=UTC)
    return Call(
        id=UUID(int=2),
        agent_id=UUID(int=3),
        status=Status.COMPLETED,
        from_number="+14155550100",
        to_number="+14155550123",
        params={"customer_name": "John", "city": "Bengaluru"},
        created_at=began,
        started_at=began,
        ended_at=began + timedelta(seconds=125),
    )


def _timing(inputs: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(inputs)
    if isinstance(given.get("retry"), str):
        given["retry"] = _rule(given["retry"])
    timing = TimingSerializer(data=given)
    if not timing.is_valid():
        name, why = next(iter(timing.errors.items()))
        raise InvalidRequest(f"{name} cannot be read: {_first(why)}")
    return dict(timing.validated_data)


def _rule(text: str) -> Any:
    try:
        return read_json(text.encode())
    except ParseError as error:
        raise InvalidRequest(f"retry cannot be read: {error.detail}") from None


def _first(errors: Any) -> str:
    """The first sentence in DRF's nested errors."""
    while isinstance(errors, dict | list):
        errors = next(iter(errors.values() if isinstance(errors, dict) else errors))
    return str(errors)


def _params(given: object) -> dict[str, Any]:
    """An object as it is, a string as the object in it, anything else as none at all."""
    if isinstance(given, str):
        try:
            given = read_json(given.encode())
        except ParseError:
            return {}
    params = given if isinstance(given, dict) else {}
    if len(json.dumps(params, ensure_ascii=False).encode()) > services.MAX_OBJECT_BYTES:
        raise InvalidRequest("params is larger than 16 KiB")
    return params
