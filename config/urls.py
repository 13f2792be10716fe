"""Every address this server answers."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import path
from django.views import defaults
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from agents import api as agents
from agents import zapier as agents_zapier
from calls import api as calls
from calls import callbacks
from calls import do_not_call_api as do_not_call
from calls import message_api as messages
from calls import zapier as calls_zapier
from core.errors import DomainError, InternalError, InvalidRequest, NotFound
from core.responses import error_response, is_api
from operations import api as operations
from webhooks import api as webhooks
from webhooks import zapier as webhooks_zapier

Page = Callable[[HttpRequest, Exception], HttpResponse]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # What browsers ask for where a page names none.
    path("favicon.ico", RedirectView.as_view(url=static("core/favicon.svg"))),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    # Its script comes by itself: none is written into a page.
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v1/account", calls.AccountView.as_view()),
    path("api/v1/calls", calls.CallListView.as_view()),
    path("api/v1/calls/send", calls.SendCallView.as_view()),
    path("api/v1/calls/<str:call_id>", calls.CallView.as_view()),
    path("api/v1/calls/<str:call_id>/cancel", calls.CancelCallView.as_view()),
    path("api/v1/calls/<str:call_id>/events", calls.CallTimelineView.as_view()),
    path("api/v1/do-not-call", do_not_call.DoNotCallListView.as_view()),
    path("api/v1/do-not-call/<str:number>", do_not_call.DoNotCallView.as_view()),
    path("api/v1/sms", messages.MessageListView.as_view()),
    path("api/v1/sms/send", messages.SendMessageView.as_view()),
    path("api/v1/sms/<str:message_id>", messages.MessageView.as_view()),
    path("api/v1/agents", agents.AgentListView.as_view()),
    path("api/v1/agents/<str:agent_id>", agents.AgentView.as_view()),
    path("api/v1/agents/<str:agent_id>/rotate-secret", agents.AgentSecretView.as_view()),
    path("api/v1/usage", operations.UsageView.as_view()),
    path("api/v1/webhooks", webhooks.WebhookListView.as_view()),
    path("api/v1/webhooks/<str:webhook_id>", webhooks.WebhookView.as_view()),
    path("api/v1/webhooks/<str:webhook_id>/rotate-secret", webhooks.WebhookSecretView.as_view()),
    path("api/v1/webhooks/<str:webhook_id>/test", webhooks.WebhookTestView.as_view()),
    path("api/v1/webhooks/<str:webhook_id>/recover", webhooks.RecoverView.as_view()),
    path("api/v1/webhooks/<str:webhook_id>/health", webhooks.WebhookHealthView.as_view()),
    path("api/v1/webhooks/<str:webhook_id>/deliveries", webhooks.WebhookDeliveryListView.as_view()),
    path("api/v1/deliveries/<str:delivery_id>", webhooks.DeliveryView.as_view()),
    path("api/v1/deliveries/<str:delivery_id>/redeliver", webhooks.RedeliverView.as_view()),
    path("api/zapier/auth/test", agents_zapier.AuthTestView.as_view()),
    path("api/zapier/subscribe/call-completed", webhooks_zapier.SubscribeView.as_view()),
    path("api/zapier/unsubscribe/<str:subscription_id>", webhooks_zapier.UnsubscribeView.as_view()),
    path("api/zapier/samples/call-disposition", calls_zapier.SamplesView.as_view()),
    path("api/zapier/actions/outbound-call", calls_zapier.OutboundCallView.as_view()),
    path("carriers/<slug:carrier>/dials/<uuid:dial_id>", callbacks.dial_callback),
    path("carriers/<slug:carrier>/dials/<uuid:dial_id>/<slug:topic>", callbacks.dial_callback),
    path("carriers/<slug:carrier>/messages/<uuid:message_id>", callbacks.message_callback),
    path(
        "carriers/<slug:carrier>/messages/<uuid:message_id>/<slug:topic>",
        callbacks.message_callback,
    ),
]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, InvalidRequest(), page=defaults.bad_request, exception=exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, NotFound(), page=defaults.page_not_found, exception=exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_api(request):
        return error_response(request, InternalError())
    return defaults.server_error(request)


def _answer(
    request: HttpRequest, error: DomainError, *, page: Page, exception: Exception
) -> HttpResponse:
    """JSON for programs, a page for people."""
    return error_response(request, error) if is_api(request) else page(request, exception)


handler400 = bad_request
handler404 = not_found
handler500 = server_error
