"""The operators' buttons about webhooks and deliveries: the same use cases as the API's."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from unfold.decorators import action
from unfold.enums import ActionVariant

from core.admin import ServiceAdmin, at, page_of
from core.following import FollowedAdmin
from webhooks.controls import recover, redeliver, redeliver_all, rotate_secret, send_test
from webhooks.errors import DeliveryNotFound
from webhooks.forms import RecoverForm
from webhooks.models import Delivery, DeliveryQuerySet, Subscription, Surface
from webhooks.services import change_subscription

Status = Subscription.Status


class SubscriptionControls(ServiceAdmin):
    """What can be done to a webhook beside changing its fields. Each is offered where it fits."""

    def has_send_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may(request, object_id, status=Status.ENABLED)

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may(request, object_id, status=Status.PAUSED)

    def has_enable_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may(request, object_id, status=Status.DISABLED)

    def has_rotate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        # Zapier checks no signature, and nobody was ever shown its secret.
        return self._may(request, object_id, surface=Surface.NATIVE)

    def _may(self, request: HttpRequest, object_id: str | None, **wanted: str) -> bool:
        subscription = object_id and self.get_object(request, object_id)
        fits = isinstance(subscription, Subscription) and all(
            getattr(subscription, name) == value for name, value in wanted.items()
        )
        return fits and self.has_change_permission(request)

    @action(description="Send test event", icon="send", permissions=["send"])
    def send_test_event(self, request: HttpRequest, object_id: str) -> HttpResponse:
        subscription = self.get_or_404(request, object_id)
        if request.method != "POST":
            is_zap = subscription.surface == Surface.ZAPIER
            return self.confirm(
                request,
                subscription,
                title="Send a test event?",
                question="The Zap runs with a made-up call."
                if is_zap
                else "It says that it is a test, and is signed and retried as every event is.",
                button="Send test event",
                variant="primary",
            )
        delivery = send_test(subscription)
        message = "A test event is on its way."
        return self.done(request, subscription, message=message, to=page_of(delivery))

    @action(description="Rotate secret", icon="autorenew", permissions=["rotate"])
    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        subscription = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                subscription,
                title="Rotate this webhook's secret?",
                question="A new secret is made and shown once. For 24 hours every event is "
                "signed with the old one too.",
                button="Rotate secret",
            )
        secret = rotate_secret(subscription)
        self.log_change(request, subscription, "Rotated the secret.")
        return self.show_secret(request, subscription, secret)

    @action(description="Pause", icon="pause", permissions=["send"])
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._switch(
            request,
            object_id,
            status=Status.PAUSED,
            title="Pause this webhook?",
            question="Its events are held until it is resumed.",
            button="Pause webhook",
            message="The webhook is paused.",
        )

    @action(description="Resume", icon="play_arrow", permissions=["resume"])
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._enable(request, object_id, verb="Resume")

    @action(description="Enable", icon="play_arrow", permissions=["enable"])
    def enable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._enable(request, object_id, verb="Enable")

    def _enable(self, request: HttpRequest, object_id: str, *, verb: str) -> HttpResponse:
        return self._switch(
            request,
            object_id,
            status=Status.ENABLED,
            title=f"{verb} this webhook?",
            question="What was held is sent.",
            button=f"{verb} webhook",
            message="The webhook is enabled; what was held is on its way.",
        )

    def _switch(
        self, request: HttpRequest, object_id: str, *, status: str, message: str, **words: str
    ) -> HttpResponse:
        subscription = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(request, subscription, variant="primary", **words)
        change_subscription(subscription, status=status)
        return self.done(request, subscription, message=message)

    @action(description="Recover", icon="settings_backup_restore", permissions=["send"])
    def recover(self, request: HttpRequest, object_id: str) -> HttpResponse:
        subscription = self.get_or_404(request, object_id)
        form = RecoverForm(request.POST or None)
        if not form.is_valid():
            return self.confirm(
                request,
                subscription,
                title="Recover what was lost",
                question="Events since this time that failed or were held are sent again.",
                form=form,
                button="Send them again",
            )
        since = form.cleaned_data["since"]
        count = recover(subscription, since=since)
        message = f"{count} deliver{'y' if count == 1 else 'ies'} since {at(since)}"
        return self.done(request, subscription, message=f"{message} sent again.")


class DeliveryControls(FollowedAdmin):
    """A delivery is only read, but that it can be sent again."""

    def has_redeliver_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        # Asked without an id for the list's action, and with one for the page's button.
        delivery = object_id and self.get_object(request, object_id)
        fits = object_id is None or (isinstance(delivery, Delivery) and has_enabled(delivery))
        return fits and request.user.has_perm("webhooks.change_delivery")

    @action(description="Redeliver", icon="replay", permissions=["redeliver"])
    def redeliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                delivery,
                title="Send this again?",
                question="The same body under the same event id, now.",
                button="Redeliver",
                variant="primary",
            )
        try:
            redeliver(delivery)
        except DeliveryNotFound:
            raise Http404 from None
        return self.done(request, delivery, message="It is sent again.")

    @action(
        description="Redeliver selected", permissions=["redeliver"], variant=ActionVariant.PRIMARY
    )
    def redeliver_selected(self, request: HttpRequest, queryset: DeliveryQuerySet) -> None:
        picked = list(queryset)
        sent = redeliver_all(queryset)
        for delivery in picked:
            self.log_change(request, delivery, "Asked to redeliver it, with others.")
        if sent:
            messages.success(request, f"{sent} of {len(picked)} sent again.")
        if left := len(picked) - sent:
            why = "their webhook is off or removed, or they are being sent at this moment"
            messages.warning(request, f"{left} of {len(picked)} left alone: {why}.")


def has_enabled(delivery: Delivery) -> bool:
    """Whether its webhook is there to be told."""
    subscription = delivery.subscription
    return subscription.deleted_at is None and subscription.status == Status.ENABLED
