"""Every page of the admin, and a row of an account for each."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Model
from unfold.admin import ModelAdmin

from agents.models import Account, CallerId, Price
from agents.services import create_key
from calls.models import Call, CallingRules, CarrierCredentials, DoNotCall, Message
from operations.models import AlertRule, Incident
from tests.factories import NUMBER, Api, make_agent, make_key
from webhooks.models import Delivery, Event
from webhooks.services import subscribe


def every_admin() -> dict[str, ModelAdmin]:
    """By address, as `agents/apikey`."""
    return {
        f"{model._meta.app_label}/{model._meta.model_name}": pages
        for model, pages in admin.site._registry.items()
    }


def rows_of(account: Account) -> dict[str, Model]:
    """A row of the account's for every page about what accounts have; texts say the account."""
    name = account.name
    agent = make_agent(account, name=f"{name} agent")
    key, _ = create_key(account, name=f"{name} key", mode="test")
    hook, _ = subscribe(account, url=f"https://{name.lower()}.example.org/", events=["sms.sent"])
    credentials = CarrierCredentials(account=account, carrier="twilio")
    credentials.keep({"account_sid": "AC" + "0" * 32, "auth_token": f"{name} token"})
    credentials.save()
    event = Event.objects.create(
        account=account,
        agent=agent,
        type="sms.sent",
        subject=f"{name} subject",
        body="{}",
        created_at=account.created_at,
    )
    api = Api(make_key(account, mode="test", name=f"{name} other key"))
    order = {"agentId": agent.native_id, "toNumber": NUMBER}
    call = api.post("/api/v1/calls/send", order).json()["callId"]
    message = api.post("/api/v1/sms/send", {**order, "message": f"{name} text"}).json()["messageId"]
    return {
        "agents/account": account,
        "agents/ledgerentry": account.ledger.latest("id"),
        "agents/price": Price.objects.create(
            account=account, prefix="+1415", per_minute=Decimal(1), per_segment=Decimal(1)
        ),
        "agents/apikey": key,
        "agents/agent": agent,
        "agents/callerid": CallerId.objects.create(account=account, number="+14155550188"),
        "calls/carriercredentials": credentials,
        "calls/donotcall": DoNotCall.objects.create(account=account, number="+14155550199"),
        "calls/callingrules": CallingRules.objects.create(account=account),
        "calls/call": Call.objects.get(id=_uuid(call)),
        "calls/message": Message.objects.get(id=_uuid(message)),
        "operations/incident": Incident.objects.create(
            rule=AlertRule.objects.get(kind="credits_low"),
            subject=str(account.id),
            account=account,
            title=f"{name} is low on credits",
            link=f"/admin/agents/account/{account.id}/change/",
            seen_at=account.created_at,
            opened_at=account.created_at,
        ),
        "webhooks/subscription": hook,
        "webhooks/event": event,
        "webhooks/delivery": Delivery.objects.create(
            event=event, subscription=hook, status="failed", created_at=event.created_at
        ),
    }


def _uuid(native_id: Any) -> str:
    return str(native_id.partition("_")[2])
