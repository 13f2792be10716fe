"""Native API: the numbers that an account must not call."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.scopes import Scope
from agents.views import NativeListView, NativeView
from calls.do_not_call import find_number, list_number
from calls.models import DoNotCall
from core.errors import InvalidNumber, InvalidRequest
from core.fields import TextField
from core.phone import to_e164
from core.schema import asked_as


@asked_as({"number": "+14155550123", "note": "Asked for it on the phone"})
class DoNotCallSerializer(serializers.ModelSerializer[DoNotCall]):
    number = TextField(max_length=64, help_text="With + and country code.")
    note = TextField(
        max_length=200, required=False, allow_blank=True, help_text="Why, and who asked for it."
    )
    createdAt = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = DoNotCall
        fields = ["number", "note", "createdAt"]


class DoNotCallFilterSerializer(serializers.Serializer[Any]):
    number = serializers.CharField(required=False)


class DoNotCallListView(NativeListView):
    scopes = {"GET": Scope.CALLS_READ, "POST": Scope.CALLS_WRITE}

    @extend_schema(
        operation_id="listDoNotCall",
        summary="List the numbers that are not called, newest first",
        parameters=[DoNotCallFilterSerializer],
        responses=DoNotCallSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = self.asked_for(DoNotCallFilterSerializer)
        rows = DoNotCall.objects.for_account(self.account)
        if "number" in asked:
            rows = rows.filter(number=_number(asked["number"]))
        return self.page(rows, DoNotCallSerializer)

    @extend_schema(
        operation_id="addDoNotCall",
        summary="Call a number no more; one that is listed already answers 200",
        request=DoNotCallSerializer,
        responses={200: DoNotCallSerializer, 201: DoNotCallSerializer},
    )
    def post(self, request: Request) -> Response:
        given = DoNotCallSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row, is_new = list_number(self.account, **given.validated_data)
        return Response(DoNotCallSerializer(row).data, status=201 if is_new else 200)


class DoNotCallView(NativeView):
    scopes = {"GET": Scope.CALLS_READ, "DELETE": Scope.CALLS_WRITE}

    @extend_schema(
        operation_id="getDoNotCall",
        summary="Look whether a number is listed",
        responses=DoNotCallSerializer,
    )
    def get(self, request: Request, number: str) -> Response:
        return Response(DoNotCallSerializer(find_number(self.account, number)).data)

    @extend_schema(
        operation_id="removeDoNotCall",
        summary="Let a number be called again",
        responses={204: None},
    )
    def delete(self, request: Request, number: str) -> Response:
        find_number(self.account, number).delete()
        return Response(status=204)


def _number(text: str) -> str:
    # An unescaped + in a query string arrives as a space, which is trimmed.
    try:
        return to_e164(text if text.startswith("+") else f"+{text}")
    except InvalidNumber:
        reason = "is no phone number"
        raise InvalidRequest(f"number: {reason}", fields={"number": reason}) from None
