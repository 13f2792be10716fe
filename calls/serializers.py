"""How the world sees a call: the same in answers and in events."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.serializers import RetrySerializer
from calls.models import Call, CallEvent, Status
from core.ids import native_id

# What a carrier's voice engine made of the conversation, and the columns that keep it.
RESULTS = {"transcript": "transcript", "summary": "summary", "recordingUrl": "recording_url"}
JSON_OBJECT = {"type": ["object", "null"], "additionalProperties": True}


@extend_schema_field({"type": "string", "format": "decimal", "examples": ["1.5"]})
class CreditsField(serializers.Field[Decimal, Any, str, Any]):
    """Credits as a decimal in a string: no client may round them."""

    def to_representation(self, value: Decimal) -> str:
        return f"{value.normalize():f}"


class SaidField(serializers.CharField):
    """A text that is null until something was said."""

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class CallSerializer(serializers.ModelSerializer[Call]):
    id = serializers.CharField(source="native_id")
    agentId = serializers.SerializerMethodField()
    fromNumber = serializers.CharField(source="from_number")
    toNumber = serializers.CharField(source="to_number")
    status = serializers.ChoiceField(choices=Status.choices)
    reason = serializers.SerializerMethodField()
    params = extend_schema_field(JSON_OBJECT)(serializers.JSONField)()
    metadata = extend_schema_field(JSON_OBJECT)(serializers.JSONField)()
    campaignId = serializers.UUIDField(source="campaign_id", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    startedAt = serializers.DateTimeField(source="started_at", allow_null=True)
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)
    duration = serializers.IntegerField(allow_null=True, help_text="Seconds from answer to end.")
    cost = CreditsField(allow_null=True)
    transcript = SaidField(allow_null=True, help_text="What was said, if the carrier tells.")
    summary = SaidField(allow_null=True)
    recordingUrl = SaidField(source="recording_url", allow_null=True)

    class Meta:
        model = Call
        fields = [
            "id",
            "agentId",
            "fromNumber",
            "toNumber",
            "status",
            "reason",
            "params",
            "metadata",
            "campaignId",
            "mode",
            "createdAt",
            "startedAt",
            "endedAt",
            "duration",
            "cost",
            "transcript",
            "summary",
            "recordingUrl",
        ]

    def get_agentId(self, call: Call) -> str:
        return native_id("agent", call.agent_id)

    def get_reason(self, call: Call) -> str | None:
        return call.reason or None


class MomentField(serializers.DateTimeField):
    """RFC 3339, whose times say their zone: nobody's nine o'clock is taken for another's."""

    default_error_messages = {"naive": "must say its zone, as 2026-01-31T09:00:00+01:00"}

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        return super().enforce_timezone(value)


class StrictSerializer(serializers.Serializer[Any]):
    """A name that it does not know is refused: a misspelt `scheduledAt` would ring at once."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = (
            [name for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        )
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "is no field of this request"))
        return super().to_internal_value(data)


class QueueSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField(help_text="Among the account's queued calls, from 1.")
    expectedWait = serializers.IntegerField(help_text="Seconds, as its newest calls suggest.")


class CallDetailSerializer(CallSerializer):
    """One call with what was asked for of its time, and its place while it waits."""

    scheduledAt = serializers.DateTimeField(
        source="planned_at", allow_null=True, help_text="Not to be dialled before."
    )
    expiresAt = serializers.DateTimeField(
        source="last_moment", allow_null=True, help_text="Null unless it waits."
    )
    retry = RetrySerializer(allow_null=True)
    ignoreCallingHours = serializers.BooleanField(source="ignore_calling_hours")
    queue = serializers.SerializerMethodField(help_text="Null unless it is queued.")

    class Meta(CallSerializer.Meta):
        fields = [
            *CallSerializer.Meta.fields,
            "scheduledAt",
            "expiresAt",
            "retry",
            "ignoreCallingHours",
            "queue",
        ]

    @extend_schema_field(QueueSerializer(allow_null=True))
    def get_queue(self, call: Call) -> dict[str, int] | None:
        place = self.context.get("place")
        return {"position": place[0], "expectedWait": round(place[1])} if place else None


class ListedCallSerializer(CallSerializer):
    """A call among many, without what was said: a transcript may be long."""

    class Meta(CallSerializer.Meta):
        fields = [name for name in CallSerializer.Meta.fields if name not in RESULTS]


def call_data(call: Call) -> dict[str, Any]:
    """The `data` of a native event: the call as the API shows it, its id as `callId`."""
    seen = _seen(call)
    return {"callId": seen.pop("id"), **seen}


def disposition(call: Call) -> dict[str, Any]:
    """What Zapier is told of an ended call, without the event's `id`.

    The guide knows four outcomes; what it does not know is `failed`, with the cause in `reason`.
    """
    known = (Status.COMPLETED, Status.VOICEMAIL, Status.BUSY)
    seen = _seen(call)
    return {
        "call_id": str(call.zapier_id),
        "agent_id": str(call.agent_id),
        "campaign_id": seen["campaignId"],
        "status": call.status if call.status in known else Status.FAILED.value,
        "reason": call.reason or (None if call.status in known else call.status),
        "duration": call.duration,
        "to_number": call.to_number,
        "from_number": call.from_number,
        "params": call.params or {},
        "started_at": seen["startedAt"],
        "ended_at": seen["endedAt"],
        "transcript": seen["transcript"],
        "summary": seen["summary"],
        "recording_url": seen["recordingUrl"],
    }


def _seen(call: Call) -> dict[str, Any]:
    return dict(_serializer().to_representation(call))


@cache
def _serializer() -> CallSerializer:
    """One for all events, so that its fields are made once."""
    return CallSerializer()


class CallEventSerializer(serializers.ModelSerializer[CallEvent]):
    dial = serializers.SerializerMethodField(help_text="Which try of the call, from 1.")
    detail = extend_schema_field({"type": "object", "additionalProperties": True})(
        serializers.JSONField
    )()

    class Meta:
        model = CallEvent
        fields = ["type", "at", "dial", "detail"]

    def get_dial(self, event: CallEvent) -> int | None:
        return event.dial.number if event.dial else None
