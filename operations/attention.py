"""What needs the operator: one function a kind, each with what it is and the page that mends it.

Another kind is a function and its place in CHECKS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum
from django.urls import reverse

from agents.admin_controls import credits_text
from agents.models import Mode
from calls.models import Dial
from core import heartbeat
from core.admin import at, page_of, seconds
from operations import rollups
from operations.figures import Accounts, lowest_balances, of_accounts
from operations.models import CallRollup
from operations.spans import Span
from webhooks.explanations import explain
from webhooks.models import CIRCUIT_OPENS_AFTER, Subscription

# How far back agents and carriers are judged, and when an agent fails too often.
LATELY = timedelta(hours=6)
LEAST_CALLS = 5
FAILURE_RATE = 0.3
# Reasons that say that a carrier does not answer, or does not tell.
SILENT = ("carrier_silent", "carrier_unknown", "carrier_unreachable", "carrier_down")
# Dials that have no end so long after they should have had one.
STUCK_FOR = timedelta(minutes=5)
LATE_FIGURES = timedelta(minutes=2)
# Fewer do not pay for a call of the usual longest duration at the usual price.
FEW_CREDITS = Decimal(10)
EACH_KIND = 4


@dataclass(frozen=True)
class Item:
    """One thing to mend. `link` leads to the page where that is done, in the words of `button`."""

    title: str
    text: str
    link: str
    button: str
    icon: str
    is_urgent: bool = False


@dataclass(frozen=True)
class Scene:
    """Whose things are looked at, and when."""

    accounts: Accounts
    now: datetime


Check = Callable[[Scene], Iterable[Item]]


def needs_attention(*, accounts: Accounts, now: datetime, may: Callable[[str], bool]) -> list[Item]:
    """What the operator may see of it, the urgent first. `may` knows their permissions."""
    scene = Scene(accounts=accounts, now=now)
    items = [item for needed, check in CHECKS if may(needed) for item in check(scene)]
    return sorted(items, key=lambda item: not item.is_urgent)


def silent_workers(scene: Scene) -> Iterable[Item]:
    try:
        is_heard = heartbeat.last_heard() is not None
    except Exception:
        yield Item(
            title="The cache does not answer",
            text="Without it nobody knows whether workers run. Check that Redis is up.",
            link="/readyz",
            button="See what is ready",
            icon="cloud_off",
            is_urgent=True,
        )
        return
    if not is_heard:
        yield Item(
            title="No worker has been heard from for a minute",
            text="Calls and webhooks wait. Start a worker and the beat: make worker, make beat.",
            link="/readyz",
            button="See what is ready",
            icon="heart_broken",
            is_urgent=True,
        )
        return
    lag = rollups.lag(now=scene.now)
    if lag is None or lag > LATE_FIGURES:
        since = f"for {seconds(lag.total_seconds())}" if lag else "yet"
        yield Item(
            title="The figures are behind",
            text=f"No worker has added up calls and deliveries {since}. Calls go on meanwhile.",
            link="/readyz",
            button="See what is ready",
            icon="update",
        )


def stuck_calls(scene: Scene) -> Iterable[Item]:
    overdue = of_accounts(Dial.objects.all(), scene.accounts, by="call__account").filter(
        ended_at=None, deadline_at__lt=scene.now - STUCK_FOR
    )
    for dial in overdue.select_related("call").order_by("due_at")[:EACH_KIND]:
        late = seconds((scene.now - dial.deadline_at).total_seconds())
        yield Item(
            title=f"The call to {dial.call.to_number} is stuck",
            text=f"It should have ended {late} ago, and {dial.call.carrier} does not say how.",
            link=page_of(dial.call),
            button="Look at the call",
            icon="hourglass_disabled",
            is_urgent=True,
        )


def silent_carriers(scene: Scene) -> Iterable[Item]:
    for row in (
        _lately(scene)
        .filter(reason__in=SILENT)
        .values("carrier")
        .annotate(lost=Sum("calls"))
        .order_by("-lost")[:EACH_KIND]
    ):
        lost = row["lost"]
        yield Item(
            title=f"{row['carrier'].capitalize()} does not answer",
            text=f"{_calls(lost)} failed in the last 6 hours: it was silent or out of reach.",
            link=f"{reverse('admin:calls_call_changelist')}?status__exact=failed",
            button="Look at failed calls",
            icon="signal_disconnected",
            is_urgent=True,
        )


def failing_agents(scene: Scene) -> Iterable[Item]:
    failed = Sum("calls", filter=Q(outcome="failed"), default=0)
    agents = _lately(scene).values("agent", "agent__name", "account__name")
    judged = agents.annotate(ended=Sum("calls"), failed=failed)
    often = judged.filter(ended__gte=LEAST_CALLS, failed__gte=F("ended") * FAILURE_RATE)
    for row in often.order_by("-failed")[:EACH_KIND]:
        yield Item(
            title=f"{row['agent__name']} fails often",
            text=f"{row['failed']:,} of {_calls(row['ended'])} of {row['account__name']} failed in "
            "the last 6 hours.",
            link=f"{reverse('admin:calls_call_changelist')}?agent__id__exact={row['agent']}"
            "&status__exact=failed",
            button="Look at failed calls",
            icon="support_agent",
        )


def failing_webhooks(scene: Scene) -> Iterable[Item]:
    status = Subscription.Status
    endpoints = of_accounts(Subscription.objects.present(), scene.accounts)
    disabled = Q(status=status.DISABLED)
    failing = Q(status=status.ENABLED, failures_in_row__gte=CIRCUIT_OPENS_AFTER)
    # The newest trouble first; those that stand disabled for weeks are known.
    listed = endpoints.filter(disabled | failing).order_by("-failing_since", "-created_at")
    for endpoint in listed[:EACH_KIND]:
        is_off = endpoint.status == status.DISABLED
        since = f" since {at(endpoint.failing_since)}" if endpoint.failing_since else ""
        yield Item(
            title=f"A webhook is {'disabled' if is_off else 'failing'}",
            text=f"{_short(endpoint.url)}: "
            + (explain(endpoint.status_reason) if is_off else f"nothing but failures{since}."),
            link=page_of(endpoint),
            button="Mend it" if is_off else "Look at it",
            icon="webhook",
            is_urgent=is_off,
        )


def low_credits(scene: Scene) -> Iterable[Item]:
    for balance in lowest_balances(accounts=scene.accounts, now=scene.now)[:EACH_KIND]:
        if balance.credits >= max(FEW_CREDITS, balance.spent):
            return
        pace = f" It spent {credits_text(balance.spent)} in a day." if balance.spent else ""
        yield Item(
            title=f"{balance.account} is low on credits",
            text=f"{credits_text(balance.credits)} left.{pace}",
            link=page_of(balance.account),
            button="Top up",
            icon="account_balance_wallet",
            is_urgent=balance.credits < 1,
        )


# With the permission that each takes.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("calls.view_call", silent_workers),
    ("calls.view_call", stuck_calls),
    ("calls.view_call", silent_carriers),
    ("webhooks.view_subscription", failing_webhooks),
    ("calls.view_call", failing_agents),
    ("agents.view_account", low_credits),
)


def _lately(scene: Scene) -> QuerySet[CallRollup]:
    rows = of_accounts(CallRollup.objects.all(), scene.accounts)
    return rows.filter(span=Span.HOUR, at__gt=scene.now - LATELY, mode=Mode.LIVE).order_by()


def _calls(number: int) -> str:
    return f"{number:,} call{'' if number == 1 else 's'}"


def _short(url: str) -> str:
    return url if len(url) <= 60 else f"{url[:57]}…"
