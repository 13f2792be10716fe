"""How subscriptions look on the native surface."""

from typing import Any

from rest_framework import serializers

from agents.services import find_agent
from core.ids import native_id
from webhooks.events import TYPES
from webhooks.models import Subscription

Status = Subscription.Status


class WebhookSerializer(serializers.ModelSerializer[Subscription]):
    id = serializers.CharField(source="native_id", read_only=True)
    url = serializers.CharField(max_length=2000)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=TYPES), allow_empty=False, max_length=len(TYPES)
    )
    agentId = serializers.CharField(
        source="agent_id", required=False, allow_null=True, default=None
    )
    description = serializers.CharField(default="", allow_blank=True, max_length=200)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    statusReason = serializers.SerializerMethodField()
    createdAt = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Subscription
        fields = [
            "id",
            "url",
            "events",
            "agentId",
            "description",
            "status",
            "statusReason",
            "createdAt",
        ]

    def to_representation(self, instance: Subscription) -> dict[str, Any]:
        agent_id = instance.agent_id and native_id("agent", instance.agent_id)
        return {**super().to_representation(instance), "agentId": agent_id}

    def get_statusReason(self, subscription: Subscription) -> str | None:
        return subscription.status_reason or None

    def validate_events(self, events: list[str]) -> list[str]:
        return list(dict.fromkeys(events))

    def validate_status(self, status: str) -> str:
        if status == Status.DISABLED:
            raise serializers.ValidationError("can be set to enabled or paused")
        return status

    def fields_given(self) -> dict[str, Any]:
        """The validated fields under the model's names. Raises AgentNotFound."""
        fields = dict(self.validated_data)
        if "agent_id" in fields:
            agent_id = fields.pop("agent_id")
            account = self.context["account"]
            fields["agent"] = find_agent(account, agent_id) if agent_id else None
        return fields


class WebhookWithSecretSerializer(WebhookSerializer):
    """What creating a webhook answers: the only time its secret is shown."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]
