"""Native API: webhooks and their deliveries."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.scopes import Scope
from agents.serializers import SecretSerializer
from agents.views import NativeListView, NativeView
from core.schema import error
from webhooks import controls, services
from webhooks.figures import figures_of
from webhooks.models import Delivery, Subscription, Surface
from webhooks.serializers import (
    DeliveryDetailSerializer,
    DeliveryFilterSerializer,
    DeliverySerializer,
    RecoveredSerializer,
    RecoverSerializer,
    WebhookHealthSerializer,
    WebhookSerializer,
    WebhookWithSecretSerializer,
)

NOT_ENABLED = error("`webhook_not_enabled`")
COLUMNS = {
    "status": "status",
    "event": "event__type",
    "createdAfter": "created_at__gt",
    "createdBefore": "created_at__lt",
}


class WebhookListView(NativeListView):
    scopes = {"GET": Scope.WEBHOOKS, "POST": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="listWebhooks",
        summary="List webhooks, newest first",
        responses=WebhookSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        webhooks = Subscription.objects.for_account(self.account).present()
        return self.page(webhooks.filter(surface=Surface.NATIVE), WebhookSerializer)

    @extend_schema(
        operation_id="createWebhook",
        summary="Create a webhook; its secret is shown once",
        request=WebhookSerializer,
        responses={
            201: WebhookWithSecretSerializer,
            404: error("`agent_not_found`"),
            409: error("`webhook_limit_reached`"),
        },
    )
    def post(self, request: Request) -> Response:
        given = WebhookSerializer(data=request.data, context={"account": self.account})
        given.is_valid(raise_exception=True)
        fields = given.fields_given()
        subscription, secret = services.subscribe(self.account, **fields)
        return Response({**WebhookSerializer(subscription).data, "secret": secret}, status=201)


class OneWebhookView(NativeView):
    def webhook(self, webhook_id: str) -> Subscription:
        return services.find_subscription(self.account, webhook_id)


class WebhookView(OneWebhookView):
    scopes = {"GET": Scope.WEBHOOKS, "PATCH": Scope.WEBHOOKS, "DELETE": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="getWebhook", summary="Look at a webhook", responses=WebhookSerializer
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        return Response(WebhookSerializer(self.webhook(webhook_id)).data)

    @extend_schema(
        operation_id="changeWebhook",
        summary="Change, pause or resume a webhook",
        request=WebhookSerializer(partial=True),
        responses=WebhookSerializer,
    )
    def patch(self, request: Request, webhook_id: str) -> Response:
        webhook = self.webhook(webhook_id)
        given = WebhookSerializer(
            webhook, data=request.data, partial=True, context={"account": self.account}
        )
        given.is_valid(raise_exception=True)
        changed = services.change_subscription(webhook, **given.fields_given())
        return Response(WebhookSerializer(changed).data)

    @extend_schema(
        operation_id="deleteWebhook",
        summary="Delete a webhook: nothing more is sent to it",
        responses={204: None},
    )
    def delete(self, request: Request, webhook_id: str) -> Response:
        services.unsubscribe(self.webhook(webhook_id))
        return Response(status=204)


class WebhookSecretView(OneWebhookView):
    scopes = {"POST": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="rotateWebhookSecret",
        summary="Replace a webhook's secret; the old one signs too for 24 hours",
        request=None,
        responses=SecretSerializer,
    )
    def post(self, request: Request, webhook_id: str) -> Response:
        return Response({"secret": controls.rotate_secret(self.webhook(webhook_id))})


class WebhookTestView(OneWebhookView):
    scopes = {"POST": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="testWebhook",
        summary="Send a test event to a webhook",
        request=None,
        responses={202: DeliverySerializer, 409: NOT_ENABLED},
    )
    def post(self, request: Request, webhook_id: str) -> Response:
        delivery = controls.send_test(self.webhook(webhook_id))
        return Response(DeliverySerializer(delivery).data, status=202)


class RecoverView(OneWebhookView):
    scopes = {"POST": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="recoverWebhook",
        summary="Send again what failed or was held since a time",
        request=RecoverSerializer,
        responses={202: RecoveredSerializer, 409: NOT_ENABLED},
    )
    def post(self, request: Request, webhook_id: str) -> Response:
        webhook = self.webhook(webhook_id)
        given = RecoverSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        recovered = controls.recover(webhook, since=given.validated_data["since"])
        return Response({"recovered": recovered}, status=202)


class WebhookHealthView(OneWebhookView):
    scopes = {"GET": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="getWebhookHealth",
        summary="How a webhook's endpoint does, over the last 24 hours",
        responses=WebhookHealthSerializer,
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        return Response(WebhookHealthSerializer(figures_of(self.webhook(webhook_id))).data)


class WebhookDeliveryListView(NativeListView):
    scopes = {"GET": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="listDeliveries",
        summary="List a webhook's deliveries, newest first",
        parameters=[DeliveryFilterSerializer],
        responses=DeliverySerializer(many=True),
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        webhook = services.find_subscription(self.account, webhook_id)
        asked = self.asked_for(DeliveryFilterSerializer)
        wanted: dict[str, Any] = {COLUMNS[name]: value for name, value in asked.items()}
        deliveries = Delivery.objects.filter(subscription=webhook, **wanted)
        return self.page(deliveries.select_related("event"), DeliverySerializer)


class DeliveryView(NativeView):
    scopes = {"GET": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="getDelivery",
        summary="Look at a delivery: what was sent, and every attempt",
        responses=DeliveryDetailSerializer,
    )
    def get(self, request: Request, delivery_id: str) -> Response:
        delivery = controls.find_delivery(self.account, delivery_id)
        return Response(DeliveryDetailSerializer(delivery).data)


class RedeliverView(NativeView):
    scopes = {"POST": Scope.WEBHOOKS}

    @extend_schema(
        operation_id="redeliver",
        summary="Send a delivery again, whatever became of it",
        request=None,
        responses={202: DeliverySerializer, 409: NOT_ENABLED},
    )
    def post(self, request: Request, delivery_id: str) -> Response:
        delivery = controls.redeliver(controls.find_delivery(self.account, delivery_id))
        return Response(DeliverySerializer(delivery).data, status=202)
