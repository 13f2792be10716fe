"""What bench.load measures: each with a name, and how it is asked for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from core.errors import InvalidNumber
from core.phone import to_e164

ADMIN = "/admin"


@dataclass(frozen=True)
class Asked:
    name: str
    do: Callable[[], object]


def pages() -> Iterator[Asked]:
    """The pages as an administrator has them, then some of them for somebody with two accounts."""
    administrator, limited = _administrator(), _limited()
    for name, path in [*_dashboards(), *_calls(), *_messages(), *_deliveries(), *_others()]:
        yield Asked(name, partial(_read, administrator, ADMIN + path))
    for name, path in [*_dashboards(), *_calls()]:
        yield Asked(f"two accounts: {name}", partial(_read, limited, ADMIN + path))


def pages_of_calls() -> Iterator[Asked]:
    administrator = _administrator()
    for name, path in _calls():
        yield Asked(name, partial(_read, administrator, ADMIN + path))


def _read(browser: Any, path: str, **headers: str) -> None:
    answer = browser.get(path, headers=headers)
    if answer.status_code not in (200, 302):
        sys.exit(f"{path} answered {answer.status_code}")


def _administrator() -> Any:
    from django.contrib.auth.models import User

    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True}
    )
    return _logged_in(user)


def _limited() -> Any:
    """Of the accounts with the most and with the fewest calls."""
    from django.contrib.auth.models import Group, User

    from agents.access import set_accounts

    user, _ = User.objects.get_or_create(username="limited", defaults={"is_staff": True})
    user.groups.set(Group.objects.filter(name="Owner"))
    set_accounts(user, [busiest(), _quietest()])
    return _logged_in(user)


def _logged_in(user: Any) -> Any:
    from django.test import Client

    browser = Client(headers={"host": "localhost"})
    browser.force_login(user)
    return browser


def busiest() -> Any:
    from agents.models import Account

    return Account.objects.order_by("created_at")[0]


def _quietest() -> Any:
    from agents.models import Account

    return Account.objects.order_by("-created_at")[0]


def _dashboards() -> list[tuple[str, str]]:
    return [(f"dashboard, {one}", f"/?range={one}") for one in ("hour", "day", "week", "month")]


def _calls() -> list[tuple[str, str]]:
    from django.utils import timezone

    from calls.models import Call

    listed = "/calls/call/"
    call = Call.objects.filter(account=busiest(), status="completed").order_by("-created_at")[500]
    rare = f"account__id__exact={_quietest().id}"
    week = quote(f"{timezone.now() - timedelta(days=7):%Y-%m-%d} 00:00:00+00:00")
    return [
        ("calls", listed),
        ("calls, page 100", f"{listed}?p=100"),
        ("calls of an account", f"{listed}?account__id__exact={call.account_id}"),
        ("calls of an account with few", f"{listed}?{rare}"),
        ("calls of an agent", f"{listed}?agent__id__exact={call.agent_id}"),
        ("calls that failed", f"{listed}?status__exact=failed"),
        ("calls under way: none", f"{listed}?status__exact=in_progress"),
        ("calls of an account that failed", f"{listed}?{rare}&status__exact=failed"),
        ("calls of an account under way: none", f"{listed}?{rare}&status__exact=ringing"),
        ("calls in test mode", f"{listed}?mode__exact=test"),
        ("calls of an account in test mode", f"{listed}?{rare}&mode__exact=test"),
        ("calls of a week", f"{listed}?created_at__gte={week}"),
        ("calls by number", f"{listed}?q={quote(_known(Call))}"),
        ("calls by id", f"{listed}?q={call.native_id}"),
        ("calls by number: none", f"{listed}?q=%2B14155550199"),
        ("calls ordered by number", f"{listed}?o=1"),
        ("calls ordered by status", f"{listed}?o=2"),
        ("a call", f"{listed}{call.id}/change/"),
    ]


def _messages() -> list[tuple[str, str]]:
    from calls.models import Message

    listed = "/calls/message/"
    message = Message.objects.filter(account=busiest()).latest("created_at")
    return [
        ("messages", listed),
        ("messages that failed", f"{listed}?status__exact=failed"),
        ("messages that wait: none", f"{listed}?status__exact=queued"),
        ("messages in test mode", f"{listed}?mode__exact=test"),
        ("messages of an account", f"{listed}?account__id__exact={message.account_id}"),
        ("messages of an agent", f"{listed}?agent__id__exact={message.agent_id}"),
        ("messages by number", f"{listed}?q={quote(_known(Message))}"),
        ("a message", f"{listed}{message.id}/change/"),
    ]


def _deliveries() -> list[tuple[str, str]]:
    from webhooks.models import Delivery, Subscription

    hook = Subscription.objects.filter(account=busiest()).latest("created_at")
    delivery = Delivery.objects.filter(subscription=hook).latest("created_at")
    event = delivery.event
    listed, events, hooks = "/webhooks/delivery/", "/webhooks/event/", "/webhooks/subscription/"
    return [
        ("deliveries", listed),
        ("deliveries that wait", f"{listed}?status__exact=pending"),
        ("deliveries that failed", f"{listed}?status__exact=failed"),
        ("deliveries: held, none", f"{listed}?status__exact=held"),
        (
            "deliveries of an account",
            f"{listed}?subscription__account__id__exact={_quietest().id}",
        ),
        (
            "deliveries of an account that failed",
            f"{listed}?subscription__account__id__exact={_quietest().id}&status__exact=failed",
        ),
        ("deliveries of a webhook", f"{listed}?subscription__id__exact={hook.id}"),
        ("deliveries by id", f"{listed}?q={delivery.native_id}"),
        ("deliveries by call", f"{listed}?q={event.subject}"),
        ("a delivery", f"{listed}{delivery.id}/change/"),
        ("events", events),
        ("events of an account", f"{events}?account__id__exact={event.account_id}"),
        ("events by call", f"{events}?q={event.subject}"),
        ("an event", f"{events}{event.id}/change/"),
        ("webhooks", hooks),
        ("webhooks by URL", f"{hooks}?q=hooks-1"),
        ("a webhook", f"{hooks}{hook.id}/change/"),
        ("a webhook, week", f"{hooks}{hook.id}/change/?range=week"),
    ]


def _others() -> list[tuple[str, str]]:
    from agents.models import ApiKey

    account = busiest()
    key = ApiKey.objects.filter(account=account, mode="live").latest("created_at")
    choices = "/autocomplete/?term=1&app_label=calls&model_name=call&field_name="
    return [
        ("accounts", "/agents/account/"),
        ("accounts by name", "/agents/account/?q=Clinic+1"),
        ("an account", f"/agents/account/{account.id}/change/"),
        ("API keys", "/agents/apikey/"),
        ("API keys, unusual", "/agents/apikey/?use=unusual"),
        ("an API key", f"/agents/apikey/{key.id}/change/"),
        ("an API key, month", f"/agents/apikey/{key.id}/change/?range=month"),
        ("agents", "/agents/agent/"),
        ("an agent", f"/agents/agent/{account.agents.all()[0].id}/change/"),
        ("ledger", "/agents/ledgerentry/"),
        ("ledger of an account", f"/agents/ledgerentry/?account__id__exact={account.id}"),
        ("prices", "/agents/price/"),
        ("caller ids", "/agents/callerid/"),
        ("carrier credentials", "/calls/carriercredentials/"),
        ("do not call", "/calls/donotcall/"),
        ("calling rules", "/calls/callingrules/"),
        ("choices of an account", f"{choices}account"),
        ("choices of an agent", f"{choices}agent"),
    ]


def _known(model: Any) -> str:
    """A number of the busiest account; not all that were loaded are numbers that exist."""
    newest = model.objects.filter(account=busiest()).order_by("-created_at")
    for number in newest.values_list("to_number", flat=True)[:1000]:
        with suppress(InvalidNumber):
            return to_e164(number)
    sys.exit("none of the newest numbers exists")


# The API ------------------------------------------------------------------------------------------


def lists() -> Iterator[Asked]:
    from django.test import Client
    from django.utils import timezone

    from agents.services import create_key
    from calls.models import Call, Message
    from webhooks.models import Subscription

    account = busiest()
    key = create_key(account, name="Bench", mode="live", requests_per_minute=1_000_000)[1]
    client = Client(headers={"host": "localhost", "x-api-key": key})
    call = Call.objects.filter(account=account, status="completed").order_by("-created_at")[500]
    message = Message.objects.filter(account=account).latest("created_at")
    hook = Subscription.objects.filter(account=account).latest("created_at")
    now = timezone.now()
    ago = quote(f"{now - timedelta(days=60):%Y-%m-%dT%H:%M:%SZ}")
    usage = quote(f"{now - timedelta(days=89):%Y-%m-%dT%H:%M:%SZ}")
    for path in (
        "calls",
        "calls?limit=100",
        "calls?status=failed",
        "calls?status=ringing",
        f"calls?toNumber={quote(_known(Call))}",
        f"calls?agentId={call.agent.native_id}",
        f"calls?createdBefore={ago}",
        f"calls/{call.native_id}",
        f"calls/{call.native_id}/events",
        f"sms/{message.native_id}",
        "agents",
        "webhooks",
        f"webhooks/{hook.native_id}/deliveries",
        "account",
        "usage",
        f"usage?from={usage}",
    ):
        shown = path.replace(ago, "…").replace(usage, "…")
        yield Asked(f"`GET {shown}`", partial(_read, client, f"/api/v1/{path}"))
    yield Asked(
        "`GET samples/call-disposition`",
        partial(_read, client, "/api/zapier/samples/call-disposition"),
    )


# Claims -------------------------------------------------------------------------------------------


def claims() -> Iterator[Asked]:
    from django.utils import timezone

    from calls.message_queue import lease_due as lease_messages
    from calls.shares import Shares
    from webhooks import leases

    now = timezone.now()
    lease = timedelta(seconds=30)
    messages = partial(lease_messages, 64, shares=Shares(), lease=lease, now=now)
    deliveries = partial(leases.lease_due, 256, rooms={}, share=200, now=now)
    yield from claims_of_calls()
    yield Asked("lease 64 messages", partial(_rolled_back, messages))
    yield Asked("lease 256 deliveries", partial(_rolled_back, deliveries))
    next_due = partial(leases.next_due, now=now)
    yield Asked("when the next delivery is due", partial(_rolled_back, next_due))


def claims_of_calls() -> Iterator[Asked]:
    from django.utils import timezone

    from calls.dialing import claim_asks, claim_looks
    from calls.lanes import survey
    from calls.shares import Shares

    asks, looks = (partial(claim, 64, shares=Shares()) for claim in (claim_asks, claim_looks))
    lanes = partial(survey, now=timezone.now())
    yield Asked("lanes of waiting calls", partial(_rolled_back, lanes))
    yield Asked("claim 64 calls to dial", partial(_rolled_back, asks))
    yield Asked("claim 64 dials to look after", partial(_rolled_back, looks))


def _rolled_back(claim: Callable[[], object]) -> None:
    from django.db import transaction

    with transaction.atomic():
        claim()
        transaction.set_rollback(True)
