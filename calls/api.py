"""Native API: calls, and the account with what it has under way."""

import json
from typing import Any

from django.db.models import Count, Q
from django.http import JsonResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from agents.auth import ApiKeyAuthentication
from agents.scopes import ANY_KEY, Scope
from agents.serializers import RetrySerializer
from agents.views import NativeListView, NativeView
from calls import services
from calls.idempotency_header import CREATED_HEADERS, idempotency_header, idempotency_key
from calls.models import ACTIVE, WAITING, Call, Status
from calls.order_lookup import OrderLookup
from calls.queue import place_of
from calls.serializers import (
    RESULTS,
    CallDetailSerializer,
    CallEventSerializer,
    CreditsField,
    ListedCallSerializer,
    MomentField,
    StrictSerializer,
)
from core.errors import InvalidNumber, InvalidRequest
from core.ids import native_id, parse_id
from core.pagination import NewestFirst
from core.phone import to_e164
from core.schema import asked_as, error

# What most orders consist of, and the names that it has for us.
PLAIN = {
    "agentId": "agent_id",
    "toNumber": "to_number",
    "params": "params",
    "metadata": "metadata",
}


class SmallObjectField(serializers.DictField):
    """A JSON object of at most 16 KiB."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        value: dict[str, Any] = super().to_internal_value(data)
        if _json_bytes(value) > services.MAX_OBJECT_BYTES:
            raise serializers.ValidationError("is larger than 16 KiB")
        return value


@asked_as(
    {
        "agentId": "agent_01a200fd3af671c09d1a349227a8fae4",
        "toNumber": "+14155550123",
        "params": {"name": "Ada"},
    }
)
class CallRequestSerializer(StrictSerializer):
    agentId = serializers.CharField(source="agent_id", max_length=64)
    toNumber = serializers.CharField(source="to_number", max_length=64)
    fromNumber = serializers.CharField(
        source="from_number", max_length=64, required=False, allow_null=True, allow_blank=True
    )
    params = SmallObjectField(required=False, allow_null=True)
    metadata = SmallObjectField(required=False, allow_null=True)
    campaignId = serializers.UUIDField(source="campaign_id", required=False, allow_null=True)
    maxDuration = serializers.IntegerField(
        source="max_duration", min_value=10, max_value=14400, required=False, allow_null=True
    )
    ringTimeout = serializers.IntegerField(
        source="ring_timeout", min_value=5, max_value=300, required=False, allow_null=True
    )
    scheduledAt = MomentField(
        source="scheduled_at",
        required=False,
        allow_null=True,
        help_text="Not to be dialled before; at most a year ahead.",
    )
    expiresAt = MomentField(
        source="expires_at",
        required=False,
        allow_null=True,
        help_text="Canceled if it was not dialled until then. A day after it may be dialled where "
        "it is left out, at most 30 days.",
    )
    retry = RetrySerializer(
        required=False, allow_null=True, help_text="The agent's rule where it is left out."
    )
    ignoreCallingHours = serializers.BooleanField(
        source="ignore_calling_hours", required=False, allow_null=True
    )


class CallAcceptedSerializer(serializers.Serializer[Call]):
    status = serializers.ChoiceField(choices=["success"])
    callId = serializers.CharField()
    agentId = serializers.CharField()
    fromNumber = serializers.CharField()
    toNumber = serializers.CharField()
    callStatus = serializers.ChoiceField(choices=["queued", "scheduled"])
    reason = serializers.CharField(required=False, help_text="Why it was postponed, if it was.")
    scheduledAt = serializers.DateTimeField(required=False, help_text="When it is dialled then.")


class CallFilterSerializer(serializers.Serializer[Any]):
    agentId = serializers.CharField(required=False)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    toNumber = serializers.CharField(required=False)
    createdAfter = serializers.DateTimeField(required=False)
    createdBefore = serializers.DateTimeField(required=False)
    campaignId = serializers.UUIDField(required=False)


class AccountSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    credits = CreditsField(allow_null=True, help_text="What can still be spent; null: no limit.")
    reserved = CreditsField(help_text="Set aside for calls that have not ended.")
    maxConcurrentCalls = serializers.IntegerField(source="max_concurrent_calls")
    activeCalls = serializers.IntegerField()
    queuedCalls = serializers.IntegerField()


class SendCallView(NativeView):
    scopes = {"POST": Scope.CALLS_WRITE}

    def get_authenticators(self) -> list[BaseAuthentication]:
        self.lookup = OrderLookup()
        return [ApiKeyAuthentication(find=self.lookup.find)]

    @extend_schema(
        operation_id="sendCall",
        summary="Place a call",
        request=CallRequestSerializer,
        responses={
            201: CallAcceptedSerializer,
            400: error(
                "`invalid_request` with `fields`; `invalid_number`, `from_number_missing`, "
                "`from_number_not_allowed`"
            ),
            402: error("`insufficient_credits`"),
            403: error(
                "`agent_disabled`, `do_not_call`, `country_not_allowed`, `outside_calling_hours`, "
                "`person_called_too_often`; `scope_missing`, `address_not_allowed`"
            ),
            404: error("`agent_not_found`"),
            409: error("`idempotency_conflict`"),
        },
        parameters=[
            idempotency_header("dials nothing"),
            *CREATED_HEADERS,
        ],
    )
    def post(self, request: Request) -> JsonResponse:
        placed = services.place_call(
            _order_in(self.lookup.order or request.data),
            origin=origin_of(self),
            idempotency_key=idempotency_key(request),
            found=self.lookup.found,
        )
        headers = {"Location": f"/api/v1/calls/{placed.call.native_id}"}
        if placed.is_replay:
            headers["Idempotent-Replayed"] = "true"
        return JsonResponse(_accepted(placed), status=201, headers=headers)


class CallListView(NativeListView):
    scopes = {"GET": Scope.CALLS_READ}

    @extend_schema(
        operation_id="listCalls",
        summary="List calls, newest first",
        parameters=[CallFilterSerializer],
        responses=ListedCallSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = self.asked_for(CallFilterSerializer)
        calls = Call.objects.for_account(self.account).filter(wanted(asked))
        return self.page(calls.defer(*RESULTS.values()), ListedCallSerializer)


class CallView(NativeView):
    scopes = {"GET": Scope.CALLS_READ}

    @extend_schema(operation_id="getCall", summary="Look at a call", responses=CallDetailSerializer)
    def get(self, request: Request, call_id: str) -> Response:
        return Response(_detail(services.find_call(self.api_key, call_id)))


class CancelCallView(NativeView):
    scopes = {"POST": Scope.CALLS_WRITE}

    @extend_schema(
        operation_id="cancelCall",
        summary="Cancel a call, or hang it up",
        description="A call that waits is `canceled` at once. One that a carrier holds is ended "
        "there within seconds: `canceled` if nobody has answered, else `completed` with the "
        "reason `hung_up`.",
        request=None,
        responses={200: CallDetailSerializer, 409: error("`call_already_ended`")},
    )
    def post(self, request: Request, call_id: str) -> Response:
        call = services.find_call_to_end(self.api_key, call_id)
        return Response(_detail(services.cancel_call(call)))


class NewestLineFirst(NewestFirst):
    """Timeline lines are numbered in the order in which we learned of them."""

    ordering = ("-id", "-at")

    def check_position(self, position: str) -> None:
        int(position)


class CallTimelineView(NativeListView):
    pagination_class = NewestLineFirst
    scopes = {"GET": Scope.CALLS_READ}

    @extend_schema(
        operation_id="listCallEvents",
        summary="List a call's timeline, newest first",
        responses=CallEventSerializer(many=True),
    )
    def get(self, request: Request, call_id: str) -> Response:
        call = services.find_call(self.api_key, call_id)
        return self.page(call.timeline.select_related("dial"), CallEventSerializer)


class AccountView(NativeView):
    scopes = {"GET": ANY_KEY}

    @extend_schema(
        operation_id="getAccount",
        summary="Look at the account and what it has under way",
        responses=AccountSerializer,
    )
    def get(self, request: Request) -> Response:
        account = self.account
        calls = Call.objects.for_account(account).filter(ended_at=None)
        counts = calls.aggregate(
            activeCalls=Count("id", filter=Q(status__in=ACTIVE)),
            queuedCalls=Count("id", filter=Q(status__in=WAITING)),
        )
        seen = {
            **{name: getattr(account, name) for name in ("name", "credits", "reserved")},
            "id": native_id("acct", account.id),
            "max_concurrent_calls": account.max_concurrent_calls,
            **counts,
        }
        return Response(AccountSerializer(seen).data)


def origin_of(view: NativeView) -> services.Origin:
    """Who asks through `view`."""
    return services.Origin.of(view.api_key, meta=view.request.META)


def _detail(call: Call) -> dict[str, Any]:
    place = place_of(call, now=timezone.now()) if call.status == Status.QUEUED else None
    return dict(CallDetailSerializer(call, context={"place": place}).data)


def _order_in(data: Any) -> services.CallRequest:
    """Raises ValidationError. What is plain needs no serializer, which costs more than the rest of
    reading it; all else, and so all that is wrong, is left to that."""
    if _is_plain(data):
        return services.CallRequest(**{PLAIN[name]: value for name, value in data.items()})
    given = CallRequestSerializer(data=data)
    given.is_valid(raise_exception=True)
    return services.CallRequest(**given.validated_data)


def _is_plain(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and data.keys() <= PLAIN.keys()
        and all(_is_plain_text(data.get(name)) for name in ("agentId", "toNumber"))
        and all(_is_small_object(data.get(name, {})) for name in ("params", "metadata"))
    )


def _is_plain_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value == value.strip()


def _is_small_object(value: Any) -> bool:
    return isinstance(value, dict) and _json_bytes(value) <= services.MAX_OBJECT_BYTES


def _json_bytes(value: dict[str, Any]) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _accepted(placed: services.Placed) -> dict[str, str]:
    """What was true when it was accepted: a replay says the same, whatever has happened since."""
    call, (first, *then) = placed.call, placed.lines
    answer = {
        "status": "success",
        "callId": call.native_id,
        "agentId": native_id("agent", call.agent_id),
        "fromNumber": call.from_number,
        "toNumber": call.to_number,
        "callStatus": first.type,
    }
    if then and then[0].type == "postponed" and then[0].at == first.at:
        answer |= {"reason": then[0].detail["reason"], "scheduledAt": then[0].detail["until"]}
    return answer


def wanted(filters: dict[str, Any]) -> Q:
    """What the filters of a list ask for, of calls or messages."""
    columns = {
        "status": "status",
        "createdAfter": "created_at__gt",
        "createdBefore": "created_at__lt",
        "campaignId": "campaign_id",
    }
    wanted = Q(**{columns[name]: value for name, value in filters.items() if name in columns})
    if "agentId" in filters:
        wanted &= Q(agent_id=parse_id("agent", filters["agentId"]))
    if "toNumber" in filters:
        wanted &= Q(to_number=_number(filters["toNumber"]))
    return wanted


def _number(text: str) -> str:
    # An unescaped + in a query string arrives as a space, which is trimmed.
    try:
        return to_e164(text if text.startswith("+") else f"+{text}")
    except InvalidNumber:
        raise InvalidRequest(
            "toNumber: is no phone number", fields={"toNumber": "is no phone number"}
        ) from None
