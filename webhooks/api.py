"""Native API: webhooks."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.views import NativeListView, NativeView
from webhooks import services
from webhooks.models import Subscription, Surface
from webhooks.serializers import WebhookSerializer, WebhookWithSecretSerializer


class WebhookListView(NativeListView):
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
        responses={201: WebhookWithSecretSerializer},
    )
    def post(self, request: Request) -> Response:
        given = WebhookSerializer(data=request.data, context={"account": self.account})
        given.is_valid(raise_exception=True)
        fields = given.fields_given()
        fields.pop("status", None)
        subscription, secret = services.subscribe(self.account, **fields)
        return Response({**WebhookSerializer(subscription).data, "secret": secret}, status=201)


class WebhookView(NativeView):
    @extend_schema(
        operation_id="getWebhook", summary="Look at a webhook", responses=WebhookSerializer
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        return Response(WebhookSerializer(self._webhook(webhook_id)).data)

    @extend_schema(
        operation_id="changeWebhook",
        summary="Change, pause or resume a webhook",
        request=WebhookSerializer(partial=True),
        responses=WebhookSerializer,
    )
    def patch(self, request: Request, webhook_id: str) -> Response:
        webhook = self._webhook(webhook_id)
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
        services.unsubscribe(self._webhook(webhook_id))
        return Response(status=204)

    def _webhook(self, webhook_id: str) -> Subscription:
        return services.find_subscription(self.account, webhook_id)
