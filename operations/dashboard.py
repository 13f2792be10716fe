"""The admin's first page: how calls, webhooks and the API do, and what needs the operator."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from agents.admin_controls import credits_text
from agents.models import Agent, ApiKey
from calls.models import ACTIVE
from core.admin import NONE, page_of, seconds
from operations import figures
from operations.attention import needs_attention
from operations.charts import COLOURS, OPTIONS, bars, traffic_chart
from operations.figures import OUTCOMES, PERIODS, Accounts, Period
from operations.wording import at_most, number, share
from webhooks.models import Subscription

USUAL_PERIOD = "day"


@dataclass(frozen=True)
class Tile:
    """One figure with what to know beside it. `tone` is empty, `warning` or `danger`."""

    label: str
    value: str
    note: str
    link: str
    tone: str = ""


def dashboard(request: HttpRequest, *, accounts: Accounts) -> dict[str, Any]:
    """What templates/admin/dashboard.html shows, without what the operator may not see."""
    now = timezone.now()
    period = PERIODS.get(request.GET.get("range", ""), PERIODS[USUAL_PERIOD])
    may = request.user.has_perm
    parts: dict[str, Any] = {}
    if may("calls.view_call"):
        parts |= _calls(period, accounts=accounts, now=now)
    if may("agents.view_apikey"):
        parts |= _api(period, accounts=accounts, now=now)
    if may("webhooks.view_subscription"):
        parts |= _webhooks(period, accounts=accounts, now=now)
    if may("agents.view_account"):
        parts |= _credits(accounts=accounts, now=now)
    tiles = [
        tile for part in ("calls", "api", "webhooks") for tile in parts.get(f"{part}_tiles", [])
    ]
    return {
        **parts,
        "tiles": tiles,
        "period": period,
        "periods": list(PERIODS.values()),
        "now": now,
        "chart_options": json.dumps(OPTIONS),
        "items": needs_attention(accounts=accounts, now=now, may=may),
    }


def _calls(period: Period, *, accounts: Accounts, now: datetime) -> dict[str, Any]:
    ended = figures.calls_ended(period, accounts=accounts, now=now)
    under_way = figures.calls_now(accounts=accounts)
    calls = reverse("admin:calls_call_changelist")
    waiting = f"{at_most(under_way.queued)} queued, {at_most(under_way.scheduled)} scheduled"
    machines = ended.by_outcome["voicemail"]
    rate = f"of {number(ended.dialled)} calls, {number(machines)} by a machine"
    legend = [
        {
            "name": outcome,
            "words": _words(outcome),
            "count": number(ended.by_outcome[outcome]),
            "link": f"{calls}?status__exact={outcome}",
        }
        for outcome in OUTCOMES
    ]
    coloured = {
        _words(outcome): (COLOURS[outcome], ended.in_slots[outcome])
        for outcome in OUTCOMES
        if ended.by_outcome[outcome]
    }
    return {
        "calls": ended,
        "calls_total": number(ended.ended),
        "calls_tests": number(ended.tests) if ended.tests else "",
        "calls_legend": legend,
        "calls_chart": bars(period, coloured, now=now),
        "has_agents": figures.of_accounts(Agent.objects.all(), accounts).exists(),
        "calls_tiles": [
            Tile(
                "Calls under way",
                at_most(under_way.live),
                waiting,
                f"{calls}?status__in={','.join(ACTIVE)}",
            ),
            Tile(
                "Answer rate",
                share(ended.answer_rate),
                rate if ended.dialled else f"no call in {period.words}",
                calls,
            ),
        ],
    }


def _api(period: Period, *, accounts: Accounts, now: datetime) -> dict[str, Any]:
    api = figures.api_traffic(period, accounts=accounts, now=now)
    keys = reverse("admin:agents_apikey_changelist")
    errors = f"{share(api.failure_rate)} errors" if api.failed else "no errors"
    by_us = f", {number(api.server_errors)} of ours" if api.server_errors else ""
    limited = f", {number(api.limit_hits)} over the limit" if api.limit_hits else ""
    return {
        "api": api,
        "api_total": number(api.total),
        "api_chart": traffic_chart(period, api, words=("Answered", "Errors"), now=now),
        "has_keys": figures.of_accounts(ApiKey.objects.all(), accounts).exists(),
        "api_tiles": [
            Tile(
                "API requests",
                number(api.total),
                f"{errors}{by_us}{limited}" if api.total else f"none in {period.words}",
                keys,
                tone="danger" if api.server_errors else "",
            ),
            Tile(
                "API response time",
                seconds(api.p50),
                f"median; 95\u00a0% within {seconds(api.p95)}" if api.total else "no request",
                keys,
            ),
        ],
    }


def _webhooks(period: Period, *, accounts: Accounts, now: datetime) -> dict[str, Any]:
    attempts = figures.attempts_made(period, accounts=accounts, now=now)
    backlog = figures.backlog(accounts=accounts, now=now)
    rate = None if attempts.failure_rate is None else 1 - attempts.failure_rate
    overdue = (now - backlog.due_since).total_seconds() if backlog.due_since else None
    deliveries = reverse("admin:webhooks_delivery_changelist")
    present = figures.of_accounts(Subscription.objects.present(), accounts)
    took = f"of {number(attempts.total)} attempts; 95\u00a0% within {seconds(attempts.p95)}"
    return {
        "webhooks": attempts,
        "webhooks_total": number(attempts.total),
        "webhooks_chart": traffic_chart(period, attempts, words=("Delivered", "Failed"), now=now),
        "has_webhooks": present.exists(),
        "webhooks_tiles": [
            Tile(
                "Webhook success",
                share(rate),
                took if attempts.total else f"none sent in {period.words}",
                reverse("admin:webhooks_subscription_changelist"),
                tone="warning" if rate is not None and rate < 0.9 else "",
            ),
            Tile(
                "Webhook backlog",
                at_most(backlog.waiting),
                f"the first is due for {seconds(overdue)}" if overdue else "nothing is overdue",
                f"{deliveries}?status__exact=pending",
                tone="warning" if overdue and overdue > 60 else "",
            ),
        ],
    }


def _credits(*, accounts: Accounts, now: datetime) -> dict[str, Any]:
    balances = figures.lowest_balances(accounts=accounts, now=now)
    return {
        "balances": [
            {
                "name": str(one.account),
                "link": page_of(one.account),
                "credits": credits_text(one.credits),
                "spent": credits_text(one.spent) if one.spent else NONE,
                "lasts": _lasts(float(one.credits), a_day=float(one.spent)),
            }
            for one in balances
        ],
    }


# In words and shapes ------------------------------------------------------------------------------


def _words(outcome: str) -> str:
    return outcome.replace("_", " ").capitalize()


def _lasts(credits: float, *, a_day: float) -> str:
    """How long the credits last at the pace of the last day."""
    if not a_day:
        return NONE
    days = credits / a_day
    if days < 1:
        return f"about {max(round(days * 24), 1)} h"
    return f"about {round(days):,} d" if days < 365 else "over a year"
