"""Native API: who used the account's keys, hour by hour."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Sum
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Mode
from agents.scopes import Scope
from agents.views import NativeListView
from core.errors import InvalidRequest
from core.pagination import NewestFirst
from operations.models import ApiUsage
from operations.spans import Span, begin_of

USUAL_PERIOD = timedelta(days=1)
LONGEST_PERIOD = timedelta(days=90)


class PeriodSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        # A class cannot name a field `from`.
        return {
            "from": serializers.DateTimeField(
                required=False, help_text="A day before `to` where it is left out."
            ),
            "to": serializers.DateTimeField(
                required=False, help_text="Now where it is left out; at most 90 days after `from`."
            ),
        }


class UsageSerializer(serializers.Serializer[Any]):
    hour = serializers.DateTimeField(source="at", help_text="When the hour began.")
    keyId = serializers.UUIDField(source="api_key_id")
    keyName = serializers.CharField(source="name")
    mode = serializers.ChoiceField(choices=Mode.choices)
    requests = serializers.IntegerField(source="all_requests")
    errors = serializers.IntegerField(  # type: ignore[assignment] # a serializer has errors of its own
        help_text="Answered with 4xx, but for 429, or with 5xx."
    )
    limitHits = serializers.IntegerField(help_text="Refused with 429.")


class NewestHourFirst(NewestFirst):
    ordering = ("-at", "-api_key_id")


class UsageView(NativeListView):
    scopes = {"GET": Scope.CALLS_READ}
    pagination_class = NewestHourFirst

    @extend_schema(
        operation_id="getUsage",
        summary="What the account's keys were used for, by hour",
        description="Newest hour first. Hours in which a key was not used are left out. The last "
        "seconds may be missing.",
        parameters=[PeriodSerializer],
        responses=UsageSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        begins, ends = _period(self.asked_for(PeriodSerializer))
        usage = ApiUsage.objects.for_account(self.account).filter(
            span=Span.HOUR, at__gte=begins, at__lt=ends
        )
        hours = usage.values("at", "api_key_id", name=F("api_key__name"), mode=F("api_key__mode"))
        counted = hours.annotate(
            all_requests=Sum("requests"),
            errors=Sum(F("client_errors") + F("server_errors")),
            limitHits=Sum("limit_hits"),
        )
        return self.page(counted, UsageSerializer)


def _period(given: dict[str, datetime]) -> tuple[datetime, datetime]:
    """The hours asked for, the one that `from` is in included."""
    ends = given.get("to") or timezone.now()
    begins = given.get("from") or ends - USUAL_PERIOD
    if begins >= ends:
        raise _wrong("from", "is not before `to`")
    if ends - begins > LONGEST_PERIOD:
        raise _wrong("from", "is more than 90 days before `to`")
    return begin_of(begins, Span.HOUR), ends


def _wrong(field: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {why}", fields={field: why})
