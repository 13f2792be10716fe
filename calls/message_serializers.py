"""How the world sees a message: the same in answers and in events."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from calls.models import Message, MessageStatus
from calls.serializers import JSON_OBJECT, CreditsField
from core.ids import native_id


class MessageSerializer(serializers.ModelSerializer[Message]):
    id = serializers.CharField(source="native_id")
    agentId = serializers.SerializerMethodField()
    fromNumber = serializers.CharField(source="from_number")
    toNumber = serializers.CharField(source="to_number")
    message = serializers.CharField(source="text", help_text="As sent: its variables filled in.")
    status = serializers.ChoiceField(choices=MessageStatus.choices)
    reason = serializers.SerializerMethodField()
    segments = serializers.IntegerField(help_text="What it is sent in, and billed by.")
    params = extend_schema_field(JSON_OBJECT)(serializers.JSONField)()
    createdAt = serializers.DateTimeField(source="created_at")
    sentAt = serializers.DateTimeField(source="sent_at", allow_null=True)
    deliveredAt = serializers.DateTimeField(source="delivered_at", allow_null=True)
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)
    cost = CreditsField(allow_null=True)

    class Meta:
        model = Message
        fields = [
            "id",
            "agentId",
            "fromNumber",
            "toNumber",
            "message",
            "status",
            "reason",
            "segments",
            "params",
            "mode",
            "createdAt",
            "sentAt",
            "deliveredAt",
            "endedAt",
            "cost",
        ]

    def get_agentId(self, message: Message) -> str:
        return native_id("agent", message.agent_id)

    def get_reason(self, message: Message) -> str | None:
        return message.reason or None


def message_data(message: Message) -> dict[str, Any]:
    """The `data` of an event: the message as the API shows it, its id as `messageId`."""
    seen = dict(MessageSerializer(message).data)
    return {"messageId": seen.pop("id"), **seen}
