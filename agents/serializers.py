"""How agents look on the native surface."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from agents import retries
from agents.models import Agent
from core.errors import InvalidNumber
from core.fields import TextField
from core.phone import to_e164
from core.schema import asked_as


class RetrySerializer(serializers.Serializer[Any]):
    """When a call that nobody answered is dialled again. It is given whole or not at all."""

    causes = serializers.ListField(
        child=serializers.ChoiceField(choices=retries.CAUSES),
        allow_empty=False,
        help_text="After which ends. `failed` counts only where the carrier took nothing.",
    )
    attempts = serializers.IntegerField(
        min_value=1, max_value=retries.MOST_ATTEMPTS, help_text="Dials in all, the first included."
    )
    gaps = serializers.ListField(
        child=serializers.IntegerField(
            min_value=retries.SHORTEST_GAP_SECONDS, max_value=retries.LONGEST_GAP_SECONDS
        ),
        default=[retries.DEFAULT_GAP_SECONDS],
        allow_empty=False,
        max_length=retries.MOST_ATTEMPTS,
        help_text="Seconds before each further dial; the last one holds for the rest.",
    )

    def to_internal_value(self, data: Any) -> Any:
        if self.root is self:
            return super().to_internal_value(data)
        # Within a PATCH, DRF would let a part of it pass.
        whole = RetrySerializer(data=data)
        whole.is_valid(raise_exception=True)
        return whole.validated_data


@asked_as(
    {
        "name": "Reminders",
        "defaultNumber": "+14155550100",
        "prompt": "You remind {{name}} of an appointment.",
        "greeting": "Hello {{name}}",
    }
)
class AgentSerializer(serializers.ModelSerializer[Agent]):
    id = serializers.CharField(source="native_id", read_only=True)
    name = TextField(max_length=Agent._meta.get_field("name").max_length)
    defaultNumber = TextField(
        source="default_number", required=False, allow_null=True, default=None, max_length=32
    )
    carrier = serializers.ChoiceField(choices=sorted(settings.CARRIERS), default="simulated")
    language = serializers.RegexField(
        r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", default="en-US", max_length=35
    )
    ringTimeout = serializers.IntegerField(
        source="ring_timeout", default=30, min_value=5, max_value=300, help_text="Seconds."
    )
    maxDuration = serializers.IntegerField(
        source="max_duration", default=600, min_value=10, max_value=14400, help_text="Seconds."
    )
    prompt = TextField(default="", allow_blank=True, max_length=20_000)
    greeting = TextField(default="", allow_blank=True, max_length=2_000)
    voice = TextField(default="", allow_blank=True, max_length=100)
    retry = RetrySerializer(
        allow_null=True, default=None, help_text="For calls that say nothing of it; null: never."
    )
    createdAt = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Agent
        fields = [
            "id",
            "name",
            "defaultNumber",
            "prompt",
            "greeting",
            "language",
            "voice",
            "carrier",
            "ringTimeout",
            "maxDuration",
            "retry",
            "createdAt",
        ]

    def validate_defaultNumber(self, value: str | None) -> str | None:
        if not value:
            return None
        try:
            return to_e164(value)
        except InvalidNumber:
            raise serializers.ValidationError(
                "is no phone number; write it with + and country code"
            ) from None

    def fields_given(self) -> dict[str, Any]:
        """The validated fields under the model's names."""
        return dict(self.validated_data)


class AgentWithSecretSerializer(AgentSerializer):
    """What creating an agent answers: the only time its secret is shown."""

    secret = serializers.CharField(read_only=True)

    class Meta(AgentSerializer.Meta):
        fields = [*AgentSerializer.Meta.fields, "secret"]


class SecretSerializer(serializers.Serializer[dict[str, str]]):
    secret = serializers.CharField(read_only=True)
