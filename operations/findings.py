"""What is wrong at a moment, found in figures and rows: one function a kind of alert.

Another kind is a function here and its line in operations.alerts. None of them reads a history:
they read rollups, and rows that an index bounds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.urls import reverse

from agents.admin_controls import credits_text
from agents.models import ApiKey, Mode, UnusualUse
from calls.models import Dial
from core.admin import at, page_of, seconds
from operations import figures
from operations.figures import Accounts, Period, of_accounts, overdue_since, poor_accounts
from operations.models import CallRollup
from operations.spans import Slot, Span
from webhooks.explanations import explain
from webhooks.models import CIRCUIT_OPENS_AFTER, Subscription, Surface

# Of the API, so many minutes are looked at; fewer requests or errors than these say nothing.
LATELY = Period("lately", "the last 15 minutes", Span.FIVE_MINUTES, slot=Slot.FIVE_MINUTES, slots=3)
LEAST_ERRORS = 5
LEAST_REQUESTS = 50
# Of carriers the last hour, of agents, which call less, a few.
OF_CARRIERS = timedelta(hours=1)
LEAST_LOST = 3
OF_AGENTS = timedelta(hours=6)
LEAST_CALLS = 5
# Reasons that say that a carrier does not answer, does not tell, or does not let us in.
SILENT = (
    "carrier_silent",
    "carrier_unknown",
    "carrier_unreachable",
    "carrier_down",
    "carrier_failed",
    "carrier_account_suspended",
    "carrier_credentials_refused",
)


@dataclass(frozen=True)
class Finding:
    """One trouble. `subject` tells it from others of its kind, `link` leads to where it is mended.

    `account_id` is whose it is; None: the server's.
    """

    title: str
    text: str
    link: str
    subject: str = ""
    account_id: UUID | None = None
    is_urgent: bool = False


@dataclass(frozen=True)
class Scene:
    """Whose things are looked at, when, and what the rule compares with."""

    accounts: Accounts
    now: datetime
    threshold: Decimal = Decimal(0)


Find = Callable[[Scene], Iterable[Finding]]


# The API ------------------------------------------------------------------------------------------


def api_errors(scene: Scene) -> Iterable[Finding]:
    api = _api(scene)
    if api.server_errors >= LEAST_ERRORS and _share(api.server_errors, api.total) >= _part(scene):
        yield Finding(
            title="The API answers with errors",
            text=f"{_share(api.server_errors, api.total):.1%} of {api.total:,} requests of the "
            "last 15 minutes failed through our fault (5xx).",
            link=_figures_page(),
            is_urgent=True,
        )


def api_slow(scene: Scene) -> Iterable[Finding]:
    api = _api(scene)
    if api.p95 is not None and api.total >= LEAST_REQUESTS and api.p95 >= scene.threshold:
        yield Finding(
            title="The API is slow",
            text=f"Of {api.total:,} requests of the last 15 minutes, one in twenty took longer "
            f"than {seconds(api.p95)}.",
            link=_figures_page(),
        )


def _api(scene: Scene) -> figures.Traffic:
    # A test key asks for errors on purpose: its numbers promise them.
    return figures.api_traffic(LATELY, accounts=scene.accounts, now=scene.now, without_tests=True)


def _figures_page() -> str:
    return f"{reverse('admin:index')}?range=hour"


# Calls --------------------------------------------------------------------------------------------


def failing_carriers(scene: Scene) -> Iterable[Finding]:
    ended = _ended(scene, span=Span.FIVE_MINUTES, since=scene.now - OF_CARRIERS)
    lost = Sum("calls", filter=Q(reason__in=SILENT), default=0)
    carriers = ended.values("carrier").annotate(ended=Sum("calls"), lost=lost)
    for row in carriers.filter(lost__gte=LEAST_LOST).order_by("-lost"):
        if _share(row["lost"], row["ended"]) < _part(scene):
            continue
        yield Finding(
            subject=row["carrier"],
            title=f"{row['carrier'].capitalize()} does not answer",
            text=f"{row['lost']:,} of {_calls(row['ended'])} that ended in the last hour failed "
            "because it was silent, out of reach, or let nobody in.",
            link=f"{reverse('admin:calls_call_changelist')}?status__exact=failed",
            is_urgent=True,
        )


def failing_agents(scene: Scene) -> Iterable[Finding]:
    ended = _ended(scene, span=Span.HOUR, since=scene.now - OF_AGENTS)
    failed = Sum("calls", filter=Q(outcome="failed"), default=0)
    agents = ended.values("agent", "agent__name", "account", "account__name")
    judged = agents.annotate(ended=Sum("calls"), failed=failed).filter(ended__gte=LEAST_CALLS)
    for row in judged.filter(failed__gt=0).order_by("-failed", "agent"):
        if _share(row["failed"], row["ended"]) < _part(scene):
            continue
        yield Finding(
            subject=str(row["agent"]),
            account_id=row["account"],
            title=f"{row['agent__name']} fails often",
            text=f"{row['failed']:,} of {_calls(row['ended'])} of {row['account__name']} failed in "
            "the last 6 hours.",
            link=f"{reverse('admin:calls_call_changelist')}?agent__id__exact={row['agent']}"
            "&status__exact=failed",
        )


def stuck_calls(scene: Scene) -> Iterable[Finding]:
    late = scene.now - timedelta(minutes=float(scene.threshold))
    dials = of_accounts(Dial.objects.all(), scene.accounts, by="call__account")
    stuck = dials.filter(ended_at=None, deadline_at__lt=late).order_by()
    counted = stuck.values("call__carrier").annotate(calls=Count("id"), first=Min("deadline_at"))
    for row in counted.order_by("call__carrier"):
        carrier, number = row["call__carrier"], row["calls"]
        oldest = stuck.filter(call__carrier=carrier).order_by("deadline_at").first()
        if oldest is None:
            continue  # it has ended in between
        yield Finding(
            subject=carrier,
            title=f"{_calls(number)} over {carrier} {'is' if number == 1 else 'are'} stuck",
            text=f"The first should have ended at {at(row['first'])} UTC, and {carrier} does not "
            "say how.",
            link=reverse("admin:calls_call_change", args=[oldest.call_id]),
            is_urgent=True,
        )


def _ended(scene: Scene, *, span: Span, since: datetime) -> QuerySet[CallRollup]:
    """Live calls that ended since then."""
    rows = of_accounts(CallRollup.objects.all(), scene.accounts)
    return rows.filter(span=span, at__gt=since, mode=Mode.LIVE).order_by()


# Webhooks -----------------------------------------------------------------------------------------


def disabled_webhooks(scene: Scene) -> Iterable[Finding]:
    endpoints = of_accounts(Subscription.objects.present(), scene.accounts)
    # So Zapier says that somebody turned a Zap off: there is nothing to mend.
    zap_is_off = Q(surface=Surface.ZAPIER, status_reason="gone")
    disabled = endpoints.filter(status=Subscription.Status.DISABLED).exclude(zap_is_off)
    for endpoint in disabled.select_related("account"):
        yield Finding(
            subject=str(endpoint.id),
            account_id=endpoint.account_id,
            title=f"A webhook of {endpoint.account} is disabled",
            text=f"{_host(endpoint)}: {explain(endpoint.status_reason)}",
            link=page_of(endpoint),
            is_urgent=True,
        )


def failing_webhooks(scene: Scene) -> Iterable[Finding]:
    endpoints = of_accounts(Subscription.objects.present(), scene.accounts)
    enabled = endpoints.filter(status=Subscription.Status.ENABLED)
    for endpoint in enabled.filter(failures_in_row__gte=CIRCUIT_OPENS_AFTER).select_related(
        "account"
    ):
        since = f" since {at(endpoint.failing_since)} UTC" if endpoint.failing_since else ""
        yield Finding(
            subject=str(endpoint.id),
            account_id=endpoint.account_id,
            title=f"A webhook of {endpoint.account} is failing",
            text=f"{_host(endpoint)}: nothing but failures{since}.",
            link=page_of(endpoint),
        )


def waiting_deliveries(scene: Scene) -> Iterable[Finding]:
    since, endpoints = overdue_since(accounts=scene.accounts, now=scene.now)
    if since and scene.now - since >= timedelta(minutes=float(scene.threshold)):
        yield Finding(
            title="Webhooks are late",
            text=f"The first delivery has been due since {at(since)} UTC; {endpoints:,} "
            f"endpoint{' waits' if endpoints == 1 else 's wait'}.",
            link=f"{reverse('admin:webhooks_delivery_changelist')}?status__exact=pending",
            is_urgent=True,
        )


# Accounts and keys --------------------------------------------------------------------------------


def low_credits(scene: Scene) -> Iterable[Finding]:
    for one in poor_accounts(few=scene.threshold, accounts=scene.accounts, now=scene.now):
        pace = f" It spent {credits_text(one.spent)} in a day." if one.spent else ""
        yield Finding(
            subject=str(one.account.id),
            account_id=one.account.id,
            title=f"{one.account} is low on credits",
            text=f"{credits_text(one.credits)} left.{pace}",
            link=page_of(one.account),
            is_urgent=one.credits < 1,
        )


def unusual_keys(scene: Scene) -> Iterable[Finding]:
    usable = ApiKey.objects.usable(now=scene.now)
    marks = UnusualUse.objects.open().filter(api_key__in=usable)
    mine = of_accounts(marks, scene.accounts, by="api_key__account")
    for mark in mine.select_related("api_key__account"):
        key = mark.api_key
        yield Finding(
            subject=str(mark.pk),
            account_id=key.account_id,
            title=f"A key of {key.account} is used unlike itself",
            text=f"{key.name}: {mark.lines[-1]}.",
            link=page_of(key),
            is_urgent=True,
        )


# In words -----------------------------------------------------------------------------------------


def _part(scene: Scene) -> float:
    """The threshold as a share; rules have it in per cent."""
    return float(scene.threshold) / 100


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _calls(number: int) -> str:
    return f"{number:,} call{'' if number == 1 else 's'}"


def _host(endpoint: Subscription) -> str:
    """Not the whole URL: it may hold a secret, and this goes out by mail."""
    return urlsplit(endpoint.url).hostname or endpoint.native_id
