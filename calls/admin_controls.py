"""The operators' buttons about calls: place one, place it again, end it, tell of it again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.crypto import salted_hmac
from unfold.decorators import action
from unfold.enums import ActionVariant

from agents.admin import credits_text
from agents.models import Account, Agent, Mode
from agents.prices import price_for
from calls.call_page import deliveries_of, may_be_sent_again, shown_call
from calls.errors import CallAlreadyEnded
from calls.forms import SIMULATED, OnceForm, PlaceCallForm
from calls.lifecycle import price_of
from calls.models import Call
from calls.services import CallRequest, Origin, cancel_call, place_call
from core.admin import actor_of, page_of, seconds
from core.errors import DomainError
from core.following import FollowedAdmin
from webhooks.controls import redeliver_all
from webhooks.models import Delivery


class CallControls(FollowedAdmin):
    """A call is only read, but that operators place and end some. Each button is shown where it
    fits."""

    has_history = True
    followed_template = "admin/calls/call/story.html"
    actions_detail = ["cancel", "call_again"]

    def get_urls(self) -> list[URLPattern]:
        ours = [
            ("place/<path:object_id>/", self.place, "place"),
            ("<path:object_id>/redeliver/", self.redeliver, "redeliver"),
        ]
        urls: list[URLPattern] = super().get_urls()
        return [
            path(route, self.admin_site.admin_view(view), name=f"calls_call_{name}")
            for route, view, name in ours
        ] + urls

    def page(self, obj: Call) -> dict[str, Any]:
        return shown_call(obj)

    # Placing --------------------------------------------------------------------------------------

    def place(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A call by the agent `object_id`, asked for by the operator."""
        agent: Agent = self._agents.get_or_404(request, object_id)
        if not (agent.is_enabled and request.user.has_perm("calls.add_call")):
            raise PermissionDenied
        form = PlaceCallForm(request.POST or None, agent=agent)
        if form.is_valid() and form.asks_to_confirm:
            return self._ask_live(request, form)
        if form.is_valid():
            mode, once = form.cleaned_data["mode"], form.cleaned_data["once"]
            try:
                call = self._placed(request, form.order, agent.account, mode=mode, once=once)
            except DomainError as refusal:
                form.add_error(None, f"The call was not placed. {refusal.message}.")
            else:
                return redirect(page_of(call))
        context = {
            **self.admin_site.each_context(request),
            "opts": agent._meta,
            "original": agent,
            "title": "Place a call",
            "agent": agent,
            "back": page_of(agent),
            "form": form,
            "simulated": SIMULATED,
        }
        return TemplateResponse(request, "admin/calls/call/place.html", context)

    def _ask_live(self, request: HttpRequest, form: PlaceCallForm) -> HttpResponse:
        agent, number = form.agent, form.order.to_number
        answer: HttpResponse = self._agents.confirm(
            request,
            agent,
            title=f"Call {number}?",
            question=f"{_what_rings(agent, number)} "
            f"{_price(agent.account, number=number, seconds_=agent.max_duration)}",
            form=form.to_confirm(),
            button="Place live call",
        )
        return answer

    @property
    def _agents(self) -> Any:
        return self.admin_site.get_model_admin(Agent)

    def has_call_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        call = object_id and self.get_object(request, object_id)
        if not isinstance(call, Call) or not call.is_terminal or call.is_erased:
            return False
        return call.agent.is_enabled and request.user.has_perm("calls.add_call")

    @action(
        description="Call again",
        icon="redo",
        permissions=["call_again"],
        variant=ActionVariant.PRIMARY,
    )
    def call_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        call: Call = self.get_or_404(request, object_id)
        form = OnceForm(request.POST or None)
        if not form.is_valid():
            return self._ask_again(request, call, form=OnceForm())
        once = form.cleaned_data["once"]
        try:
            again = self._placed(request, _order_of(call), call.account, mode=call.mode, once=once)
        except DomainError as refusal:
            error = f"The call was not placed. {refusal.message}."
            return self._ask_again(request, call, form=OnceForm(), error=error)
        self.log_change(request, call, f"Called again: {again.native_id}.")
        return redirect(page_of(again))

    def _ask_again(self, request: HttpRequest, call: Call, **words: Any) -> HttpResponse:
        rings = "It is a test: no phone rings, and it costs nothing."
        if call.mode == Mode.LIVE:
            price = _price(call.account, number=call.to_number, seconds_=call.max_duration)
            rings = f"{_what_rings(call.agent, call.to_number)} {price}"
        return self.confirm(
            request,
            call,
            title=f"Call {call.to_number} again?",
            question=f"{call.agent} is asked for a new call with the same numbers, params and "
            f"metadata. {rings}",
            button="Call again",
            **words,
        )

    def _placed(
        self, request: HttpRequest, order: CallRequest, account: Account, *, mode: str, once: UUID
    ) -> Call:
        origin = Origin.of_operator(
            actor_of(request), account=account, mode=mode, meta=request.META
        )
        # The same order from the same page is the same call, however often it is sent. Keyed, for
        # it outlives the erasure of the number that it is made of.
        digest = salted_hmac("calls.admin.order", f"{once}:{order.fingerprint}", algorithm="sha256")
        key = f"admin:{digest.hexdigest()}"
        call, was_placed, _ = place_call(order, origin=origin, idempotency_key=key)
        if was_placed:
            messages.info(request, "This call was placed already.")
        else:
            self.log_addition(request, call, "Placed in the admin.")
            messages.success(request, "The call is placed.")
        return call

    # Ending ---------------------------------------------------------------------------------------

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        call = object_id and self.get_object(request, object_id)
        is_open = isinstance(call, Call) and not call.is_terminal and not call.cancel_requested_at
        return is_open and request.user.has_perm("calls.change_call")

    @action(
        description="Cancel", icon="call_end", permissions=["cancel"], variant=ActionVariant.DANGER
    )
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        call = self.get_or_404(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                call,
                title="Cancel this call?",
                question="While it waits or rings it is canceled, and nobody is charged. "
                "A conversation is hung up.",
                button="Cancel call",
            )
        try:
            cancel_call(call)
        except CallAlreadyEnded as ended:
            messages.warning(request, f"{ended.message}.")
            return redirect(page_of(call))
        return self.done(request, call, message="The call is being ended.")

    # Telling --------------------------------------------------------------------------------------

    def redeliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send again what of this call's events did not arrive."""
        call: Call = self.get_or_404(request, object_id)
        if not request.user.has_perm("webhooks.change_delivery"):
            raise PermissionDenied
        lost = [row.id for row in deliveries_of(call) if may_be_sent_again(row)]
        if request.method != "POST":
            return self.confirm(
                request,
                call,
                title="Tell of it again?",
                question=f"{_deliveries(len(lost))} of this call did not arrive. Each is sent "
                "again now, the same body under the same event id.",
                button="Redeliver",
                variant="primary",
            )
        sent = redeliver_all(Delivery.objects.filter(id__in=lost))
        return self.done(request, call, message=f"{_deliveries(sent)} sent again.")


def _order_of(call: Call) -> CallRequest:
    return CallRequest(
        agent_id=str(call.agent_id),
        to_number=call.to_number,
        from_number=call.from_number,
        params=call.params,
        metadata=call.metadata,
        campaign_id=call.campaign_id,
        max_duration=call.max_duration,
        ring_timeout=call.ring_timeout,
        retry=call.retry,
    )


def _what_rings(agent: Agent, number: str) -> str:
    if agent.carrier == "simulated":
        return "The agent's carrier is simulated, so no phone rings."
    return f"The phone at {number} rings, over {agent.carrier.capitalize()}."


def _price(account: Account, *, number: str, seconds_: int) -> str:
    per_minute = price_for(account.id, number=number).per_minute
    most = price_of(seconds_, per_minute=per_minute)
    return (
        f"It costs at most {credits_text(most)} credit{'' if most == 1 else 's'}: "
        f"{credits_text(per_minute)} for each started minute, {seconds(seconds_)} at the longest, "
        "and nothing if nobody answers. "
        f"{account} has {credits_text(account.credits)} to spend."
    )


def _deliveries(count: int) -> str:
    return f"{count} deliver{'y' if count == 1 else 'ies'}"
