"""The admin's first page: how calls, webhooks and the API do, and what needs the operator."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from agents.admin_controls import credits_text
from agents.models import Agent, ApiKey
from calls.models import ACTIVE
from core.admin import NONE, page_of, seconds
from operations import figures
from operations.attention import needs_attention
from operations.figures import COUNTED_TO, OUTCOMES, PERIODS, Accounts, Period, Traffic
from operations.spans import Span
from webhooks.models import Subscription

USUAL_PERIOD = "day"
# On white and on black alike; the legend has them in core/admin.css.
COLOURS = {
    "completed": "#16a34a",
    "voicemail": "#3b82f6",
    "busy": "#f97316",
    "no_answer": "#fbbf24",
    "failed": "#dc2626",
    "canceled": "#94a3b8",
}
TICKS = {"color": "#94a3b8"}
OPTIONS = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "interaction": {"mode": "index", "intersect": False},
    "datasets": {"bar": {"maxBarThickness": 28, "borderRadius": 2}},
    "plugins": {"legend": {"display": False}, "tooltip": {"boxWidth": 8, "boxHeight": 8}},
    "scales": {
        "x": {
            "stacked": True,
            "border": {"display": False},
            "grid": {"display": False},
            "ticks": {**TICKS, "maxRotation": 0, "autoSkipPadding": 16},
        },
        "y": {
            "stacked": True,
            "beginAtZero": True,
            "border": {"display": False, "dash": [4, 4]},
            "grid": {"tickLength": 0},
            "ticks": {**TICKS, "precision": 0, "maxTicksLimit": 5, "padding": 8},
        },
    },
}


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
    waiting = f"{_at_most(under_way.queued)} queued, {_at_most(under_way.scheduled)} scheduled"
    machines = ended.by_outcome["voicemail"]
    rate = f"of {_number(ended.dialled)} calls, {_number(machines)} by a machine"
    legend = [
        {
            "name": outcome,
            "words": _words(outcome),
            "count": _number(ended.by_outcome[outcome]),
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
        "calls_total": _number(ended.ended),
        "calls_tests": _number(ended.tests) if ended.tests else "",
        "calls_legend": legend,
        "calls_chart": _chart(period, coloured, now=now),
        "has_agents": figures.of_accounts(Agent.objects.all(), accounts).exists(),
        "calls_tiles": [
            Tile(
                "Live calls now",
                _at_most(under_way.live),
                waiting,
                f"{calls}?status__in={','.join(ACTIVE)}",
            ),
            Tile(
                "Answer rate",
                _share(ended.answer_rate),
                rate if ended.dialled else f"no call in {period.words}",
                calls,
            ),
        ],
    }


def _api(period: Period, *, accounts: Accounts, now: datetime) -> dict[str, Any]:
    api = figures.api_traffic(period, accounts=accounts, now=now)
    keys = reverse("admin:agents_apikey_changelist")
    errors = f"{_share(api.failure_rate)} errors" if api.failed else "no errors"
    by_us = f", {_number(api.server_errors)} of ours" if api.server_errors else ""
    limited = f", {_number(api.limit_hits)} over the limit" if api.limit_hits else ""
    return {
        "api": api,
        "api_total": _number(api.total),
        "api_chart": _traffic_chart(period, api, words=("Answered", "Errors"), now=now),
        "has_keys": figures.of_accounts(ApiKey.objects.all(), accounts).exists(),
        "api_tiles": [
            Tile(
                "API requests",
                _number(api.total),
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
    took = f"of {_number(attempts.total)} attempts; 95\u00a0% within {seconds(attempts.p95)}"
    return {
        "webhooks": attempts,
        "webhooks_total": _number(attempts.total),
        "webhooks_chart": _traffic_chart(period, attempts, words=("Delivered", "Failed"), now=now),
        "has_webhooks": present.exists(),
        "webhooks_tiles": [
            Tile(
                "Webhook success",
                _share(rate),
                took if attempts.total else f"none sent in {period.words}",
                reverse("admin:webhooks_subscription_changelist"),
                tone="warning" if rate is not None and rate < 0.9 else "",
            ),
            Tile(
                "Webhook backlog",
                _at_most(backlog.waiting),
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


def _traffic_chart(
    period: Period, traffic: Traffic, *, words: tuple[str, str], now: datetime
) -> str:
    fine = [
        total - failed
        for total, failed in zip(traffic.in_slots, traffic.failed_in_slots, strict=True)
    ]
    well, badly = words
    coloured: dict[str, tuple[str, Sequence[int]]] = {well: (COLOURS["voicemail"], fine)}
    if traffic.failed:
        coloured[badly] = (COLOURS["failed"], traffic.failed_in_slots)
    return _chart(period, coloured, now=now)


def _chart(
    period: Period, coloured: Mapping[str, tuple[str, Sequence[int]]], *, now: datetime
) -> str:
    """What Chart.js draws, as JSON; empty where there is nothing to draw."""
    if not any(any(counts) for _, counts in coloured.values()):
        return ""
    datasets = [
        {"label": name, "backgroundColor": colour, "data": list(counts)}
        for name, (colour, counts) in coloured.items()
    ]
    labels = [_label(at, period) for at in period.starts(now=now)]
    return json.dumps({"labels": labels, "datasets": datasets})


def _label(at: datetime, period: Period) -> str:
    if period.slot >= Span.DAY:
        return date_format(at, "j M")
    return date_format(at, "D H:i" if period.slot > Span.HOUR else "H:i")


def _words(outcome: str) -> str:
    return outcome.replace("_", " ").capitalize()


def _number(number: int) -> str:
    return f"{number:,}"


def _at_most(number: int) -> str:
    """`1,204`, or `10,000+` where no more was counted."""
    return f"{COUNTED_TO:,}+" if number > COUNTED_TO else _number(number)


def _share(share: float | None) -> str:
    """`98.7 %`; never 100 % nor 0 % of what is not all or nothing."""
    if share is None:
        return NONE
    rounded = round(share * 100, 1)
    rounded = min(rounded, 99.9) if share < 1 else rounded
    rounded = max(rounded, 0.1) if share > 0 else rounded
    return f"{rounded:g}\u00a0%"


def _lasts(credits: float, *, a_day: float) -> str:
    """How long the credits last at the pace of the last day."""
    if not a_day:
        return NONE
    days = credits / a_day
    if days < 1:
        return f"about {max(round(days * 24), 1)} h"
    return f"about {round(days):,} d" if days < 365 else "over a year"
