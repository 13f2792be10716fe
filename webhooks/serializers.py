"""How webhooks and their deliveries look on the native surface."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.services import find_agent
from core.fields import TextField
from core.ids import native_id
from core.schema import asked_as
from webhooks.controls import RECOVERS_DAYS, complaint_about
from webhooks.events import TEST, TYPES
from webhooks.figures import BACKLOG_COUNTED, DELIVERIES_READ, Figures
from webhooks.models import Attempt, Delivery, Subscription

Status = Subscription.Status

ATTEMPTS_SHOWN = 50
HEADERS = {"type": "object", "additionalProperties": {"type": "string"}}


@asked_as({"url": "https://hear.example.org/", "events": ["call.completed", "call.failed"]})
class WebhookSerializer(serializers.ModelSerializer[Subscription]):
    id = serializers.CharField(source="native_id", read_only=True)
    url = TextField(max_length=2000)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=TYPES),
        allow_empty=False,
        min_length=1,
        max_length=len(TYPES),
    )
    agentId = TextField(source="agent_id", required=False, allow_null=True, default=None)
    description = TextField(default="", allow_blank=True, max_length=200)
    requestsPerSecond = serializers.IntegerField(
        source="requests_per_second",
        default=None,
        allow_null=True,
        min_value=1,
        max_value=1000,
        help_text="At most so many requests a second; null: no limit.",
    )
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
            "requestsPerSecond",
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


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    id = serializers.CharField(source="native_id", read_only=True)
    eventId = serializers.CharField(source="event.native_id", read_only=True)
    event = serializers.CharField(source="event.type", read_only=True)
    nextAttemptAt = serializers.DateTimeField(
        source="next_attempt_at", read_only=True, allow_null=True
    )
    createdAt = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Delivery
        fields = ["id", "eventId", "event", "status", "attempts", "nextAttemptAt", "createdAt"]


class SecondsField(serializers.FloatField):
    def to_representation(self, value: float) -> float:  # type: ignore[override] # a str in the stubs
        return round(value, 4)


@extend_schema_field(HEADERS)
class HeadersField(serializers.JSONField):
    pass


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    startedAt = serializers.DateTimeField(source="started_at")
    duration = SecondsField(help_text="Seconds.")
    failure = serializers.SerializerMethodField(help_text="A stable name; null: it succeeded.")
    requestHeaders = HeadersField(source="request_headers")
    responseStatus = serializers.IntegerField(source="response_status", allow_null=True)
    responseHeaders = HeadersField(source="response_headers")
    responseBody = serializers.CharField(source="response_body", help_text="The first 16 KiB.")
    address = serializers.CharField(
        allow_null=True, help_text="The one really connected to; null: none was."
    )

    class Meta:
        model = Attempt
        fields = [
            "number",
            "startedAt",
            "duration",
            "failure",
            "requestHeaders",
            "responseStatus",
            "responseHeaders",
            "responseBody",
            "address",
        ]

    def get_failure(self, attempt: Attempt) -> str | None:
        return attempt.failure or None


class DeliveryDetailSerializer(DeliverySerializer):
    webhookId = serializers.CharField(source="subscription.native_id", read_only=True)
    body = serializers.SerializerMethodField(help_text="What is sent, byte for byte.")
    log = serializers.SerializerMethodField(
        help_text=f"The attempts, oldest first; of more than {ATTEMPTS_SHOWN} the newest."
    )

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "webhookId", "body", "log"]

    def get_body(self, delivery: Delivery) -> str:
        return delivery.event.body_for(delivery.subscription.surface)

    @extend_schema_field(AttemptSerializer(many=True))
    def get_log(self, delivery: Delivery) -> Any:
        newest = list(delivery.log.order_by("-id")[:ATTEMPTS_SHOWN])
        return AttemptSerializer(newest[::-1], many=True).data


class DeliveryFilterSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=Delivery.Status.choices, required=False)
    event = serializers.ChoiceField(choices=[*TYPES, TEST], required=False)
    createdAfter = serializers.DateTimeField(required=False)
    createdBefore = serializers.DateTimeField(required=False)


@asked_as({"since": "2026-01-31T09:00:00Z"})
class RecoverSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField(help_text=f"At most {RECOVERS_DAYS} days ago.")

    def validate_since(self, since: datetime) -> datetime:
        if complaint := complaint_about(since, now=timezone.now()):
            raise serializers.ValidationError(complaint)
        return since


class RecoveredSerializer(serializers.Serializer[Any]):
    recovered = serializers.IntegerField(help_text="So many deliveries are due again.")


class WebhookHealthSerializer(serializers.Serializer[Figures]):
    attempts = serializers.IntegerField(
        help_text=f"Of the last 24 hours, of the newest {DELIVERIES_READ} deliveries attempted; "
        "the rates are about these."
    )
    successRate = serializers.FloatField(
        source="success_rate", allow_null=True, help_text="From 0 to 1; null: no attempts."
    )
    p50 = SecondsField(allow_null=True, help_text="Median duration, in seconds.")
    p95 = SecondsField(allow_null=True, help_text="Seconds.")
    backlog = serializers.IntegerField(
        help_text=f"Deliveries pending now; at most {BACKLOG_COUNTED} are counted."
    )
    failingSince = serializers.DateTimeField(
        source="failing_since", allow_null=True, help_text="Nothing but failure since then."
    )
