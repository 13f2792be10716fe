"""A bare view that makes an accepted call's two rows through the ORM, and asks nothing."""

from functools import cache

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone

from agents.models import Agent, ApiKey
from calls.models import Call, CallEvent
from core.ids import new_id


def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


def insert(request: HttpRequest) -> JsonResponse:
    key, agent = owners()
    now = timezone.now()
    with transaction.atomic():
        call = Call.objects.create(
            id=new_id(),
            account_id=key.account_id,
            agent_id=agent.id,
            api_key_id=key.id,
            request_id="floor",
            fingerprint="0" * 64,
            client_address="127.0.0.1",
            mode="live",
            carrier="dialer",
            to_number="+14155552671",
            from_number="+14155550100",
            params={"name": "Ada"},
            prompt="You call Ada on behalf of the clinic.",
            ring_timeout=30,
            max_duration=600,
            reserved=10,
            created_at=now,
            due_at=now,
        )
        CallEvent.objects.create(call=call, type="queued", at=now)
    response = JsonResponse({"callId": call.native_id}, status=201)
    # As CommonMiddleware would: without it the answer comes in chunks.
    response["Content-Length"] = str(len(response.content))
    return response


@cache
def owners() -> tuple[ApiKey, Agent]:
    key = ApiKey.objects.earliest("created_at")
    return key, Agent.objects.get(account_id=key.account_id)


urlpatterns = [path("healthz", alive), path("insert", insert)]
