"""Native API: text messages."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.scopes import Scope
from agents.views import NativeListView, NativeView
from calls import message_services
from calls.api import SmallObjectField, origin_of, wanted
from calls.idempotency_header import CREATED_HEADERS, idempotency_header, idempotency_key
from calls.message_serializers import MessageSerializer
from calls.models import Message, MessageStatus
from calls.serializers import StrictSerializer
from core.ids import native_id
from core.schema import asked_as, error


@asked_as(
    {
        "agentId": "agent_01a200fd3af671c09d1a349227a8fae4",
        "toNumber": "+14155550123",
        "message": "Hello {{name}}",
        "params": {"name": "Ada"},
    }
)
class MessageRequestSerializer(StrictSerializer):
    agentId = serializers.CharField(source="agent_id", max_length=64)
    toNumber = serializers.CharField(source="to_number", max_length=64)
    message = serializers.CharField(
        trim_whitespace=False,
        help_text="`{{name}}` is replaced by the param of that name. At most 10 segments then: "
        "1,530 characters of the GSM alphabet, or 670 where one is not in it.",
    )
    fromNumber = serializers.CharField(
        source="from_number", max_length=64, required=False, allow_null=True, allow_blank=True
    )
    params = SmallObjectField(required=False, allow_null=True)


class MessageAcceptedSerializer(serializers.Serializer[Message]):
    status = serializers.ChoiceField(choices=["success"])
    messageId = serializers.CharField()
    agentId = serializers.CharField()
    fromNumber = serializers.CharField()
    toNumber = serializers.CharField()
    messageStatus = serializers.ChoiceField(choices=["queued"])
    segments = serializers.IntegerField()


class MessageFilterSerializer(serializers.Serializer[Any]):
    agentId = serializers.CharField(required=False)
    status = serializers.ChoiceField(choices=MessageStatus.choices, required=False)
    toNumber = serializers.CharField(required=False)
    createdAfter = serializers.DateTimeField(required=False)
    createdBefore = serializers.DateTimeField(required=False)


class SendMessageView(NativeView):
    scopes = {"POST": Scope.SMS}

    @extend_schema(
        operation_id="sendMessage",
        summary="Send a text message",
        request=MessageRequestSerializer,
        responses={
            201: MessageAcceptedSerializer,
            402: error("`insufficient_credits`"),
            403: error("`agent_disabled`; `scope_missing`, `address_not_allowed`"),
            404: error("`agent_not_found`"),
            409: error("`idempotency_conflict`"),
        },
        parameters=[
            idempotency_header("sends nothing"),
            *CREATED_HEADERS,
        ],
    )
    def post(self, request: Request) -> Response:
        given = MessageRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        message, is_replay = message_services.send_message(
            message_services.MessageRequest(**given.validated_data),
            origin=origin_of(self),
            idempotency_key=idempotency_key(request),
        )
        headers = {"Location": f"/api/v1/sms/{message.native_id}"}
        if is_replay:
            headers["Idempotent-Replayed"] = "true"
        return Response(_accepted(message), status=201, headers=headers)


class MessageListView(NativeListView):
    scopes = {"GET": Scope.SMS}

    @extend_schema(
        operation_id="listMessages",
        summary="List text messages, newest first",
        parameters=[MessageFilterSerializer],
        responses=MessageSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = self.asked_for(MessageFilterSerializer)
        messages = Message.objects.for_account(self.account).filter(wanted(asked))
        return self.page(messages, MessageSerializer)


class MessageView(NativeView):
    scopes = {"GET": Scope.SMS}

    @extend_schema(
        operation_id="getMessage", summary="Look at a text message", responses=MessageSerializer
    )
    def get(self, request: Request, message_id: str) -> Response:
        message = message_services.find_message(self.account, message_id)
        return Response(MessageSerializer(message).data)


def _accepted(message: Message) -> dict[str, Any]:
    # What was true when it was accepted: a replay says the same, whatever has happened since.
    return {
        "status": "success",
        "messageId": message.native_id,
        "agentId": native_id("agent", message.agent_id),
        "fromNumber": message.from_number,
        "toNumber": message.to_number,
        "messageStatus": MessageStatus.QUEUED.value,
        "segments": message.segments,
    }
