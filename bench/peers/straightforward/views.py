from functools import partial
from typing import Any

import phonenumbers
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django_ratelimit.decorators import ratelimit
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peers.straightforward.models import Account, Agent, Call, CallEvent
from bench.peers.straightforward.tasks import dial

PRICE = 10


class CallRequestSerializer(serializers.Serializer[Any]):
    agentId = serializers.UUIDField()
    toNumber = serializers.CharField(max_length=32)
    fromNumber = serializers.CharField(max_length=32, required=False)
    params = serializers.DictField(required=False)

    def validate_toNumber(self, value: str) -> str:
        try:
            number = phonenumbers.parse(value, None)
        except phonenumbers.NumberParseException:
            raise serializers.ValidationError("is no phone number") from None
        if not phonenumbers.is_valid_number(number):
            raise serializers.ValidationError("is no phone number")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class CallSerializer(serializers.ModelSerializer[Call]):
    class Meta:
        model = Call
        fields = ["id", "agent", "status", "to_number", "from_number", "params", "created_at"]


@method_decorator(ratelimit(key="header:x-api-key", rate="100000000/m"), name="post")
class SendCallView(APIView):
    def post(self, request: Request) -> Response:
        given = CallRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        account, order = request.user, given.validated_data
        agent = Agent.objects.filter(account=account, id=order["agentId"]).first()
        if agent is None:
            raise exceptions.NotFound("There is no such agent")
        with transaction.atomic():
            paying = Account.objects.filter(id=account.id, credits__gte=PRICE)
            if not paying.update(credits=F("credits") - PRICE):
                return Response({"error": "insufficient credits"}, status=402)
            call = Call.objects.create(
                account=account,
                agent=agent,
                to_number=order["toNumber"],
                from_number=order.get("fromNumber") or agent.default_number,
                params=order.get("params"),
            )
            CallEvent.objects.create(call=call, type="queued")
            transaction.on_commit(partial(dial.delay, str(call.id)))
        return Response(CallSerializer(call).data, status=201)


def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})
