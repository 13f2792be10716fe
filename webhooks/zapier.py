"""Zapier: the REST Hook trigger `call_disposition` is switched on and off."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.auth import verified_agent
from agents.views import ZapierView
from agents.zapier import zapier_error
from core.errors import InvalidRequest
from core.schema import asked_as
from core.times import rfc3339
from webhooks import services
from webhooks.models import Subscription, Surface

TRIGGER = "call_disposition"
REQUIRED = "agent_id, agent_secret and callback_url (or target_url) are required"


@asked_as(
    {
        "agent_id": "01a200fd-3af6-71c0-9d1a-349227a8fae4",
        "agent_secret": "the agent's secret",
        "callback_url": "https://hooks.example.org/1",
    }
)
class SubscribeSerializer(serializers.Serializer[Any]):
    agent_id = serializers.CharField()
    agent_secret = serializers.CharField()
    callback_url = serializers.CharField(required=False, help_text="Or `target_url`.")
    target_url = serializers.CharField(required=False)


class ZapierSubscriptionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    agent_id = serializers.UUIDField()
    trigger_key = serializers.CharField()
    callback_url = serializers.CharField()
    created_at = serializers.DateTimeField()


class UnsubscribedSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()


class SubscribeView(ZapierView):
    @extend_schema(
        operation_id="zapierSubscribe",
        summary="Be told of an agent's ended calls; the query string carries these inputs too",
        request={
            "application/json": SubscribeSerializer,
            "application/x-www-form-urlencoded": SubscribeSerializer,
        },
        responses={
            201: ZapierSubscriptionSerializer,
            400: zapier_error(f"{REQUIRED}; invalid callback_url"),
            401: zapier_error("Missing API key; Invalid API key; invalid agent credentials"),
            404: zapier_error("agent not found"),
            409: zapier_error("This account has 50 webhooks, the most it may have"),
        },
    )
    def post(self, request: Request) -> Response:
        given = self.inputs
        url = given.get("callback_url") or given.get("target_url")
        if not url or "agent_id" not in given or "agent_secret" not in given:
            raise InvalidRequest(REQUIRED)
        agent = verified_agent(
            request,
            account=self.account,
            agent_id=given["agent_id"],
            secret=given["agent_secret"],
        )
        return Response(_seen(services.subscribe_zap(agent, url=url)), status=201)


class UnsubscribeView(ZapierView):
    @extend_schema(
        operation_id="zapierUnsubscribe",
        summary="Turn a subscription off for good",
        # Zapier takes an answer without a body for a failure.
        responses={200: UnsubscribedSerializer, 404: zapier_error("subscription not found")},
    )
    def delete(self, request: Request, subscription_id: str) -> Response:
        services.unsubscribe(
            services.find_subscription(self.account, subscription_id, surface=Surface.ZAPIER)
        )
        return Response({"success": True})


def _seen(subscription: Subscription) -> dict[str, str]:
    return {
        "id": str(subscription.id),
        "agent_id": str(subscription.agent_id),
        "trigger_key": TRIGGER,
        "callback_url": subscription.url,
        "created_at": rfc3339(subscription.created_at),
    }
