"""How an endpoint did over time, as the admin's Chart.js draws it."""

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from webhooks.figures import DELIVERIES_OF_A_SLICE, Slice, history_of
from webhooks.models import Subscription

# By the name in the page's address: what it is called, how long a slice is, and how many there are.
RANGES = {
    "day": ("24 hours", timedelta(hours=1), 24),
    "week": ("7 days", timedelta(hours=6), 28),
}
# Read on light and on dark ground; those of the overview.
GREEN, RED, MUTED = "#16a34a", "#dc2626", "#94a3b8"


def charts_of(subscription: Subscription, *, range_: str) -> dict[str, Any]:
    """What templates/admin/webhooks/subscription/charts.html shows of "day" or "week"."""
    chosen = range_ if range_ in RANGES else "day"
    _, step, count = RANGES[chosen]
    slices = history_of(subscription, step=step, count=count, now=timezone.now())
    return {
        "ranges": [(name, words, name == chosen) for name, (words, *_) in RANGES.items()],
        "is_empty": not any(one.attempts for one in slices),
        "most": DELIVERIES_OF_A_SLICE,
        "slice": "hour" if chosen == "day" else "6 hours",
        "charts": [
            {
                "title": "Succeeded, of 100 attempts",
                "type": "bar",
                "value": json.dumps(_success(slices)),
                "options": json.dumps(_options(is_stacked=True, most=100)),
            },
            {
                "title": "Answered after, in milliseconds",
                "type": "line",
                "value": json.dumps(_latency(slices)),
                "options": json.dumps(_options(is_stacked=False, most=None)),
            },
        ],
    }


def _success(slices: list[Slice]) -> dict[str, Any]:
    shares = [one.success_rate for one in slices]
    return {
        "labels": _labels(slices),
        "datasets": [
            _bars("Succeeded", [_percent(share) for share in shares], color=GREEN),
            _bars("Failed", [_percent(share, of_failures=True) for share in shares], color=RED),
        ],
    }


def _latency(slices: list[Slice]) -> dict[str, Any]:
    return {
        "labels": _labels(slices),
        "datasets": [
            _line("Half of them", [one.p50 for one in slices], color="var(--color-primary-500)"),
            _line("95 of 100", [one.p95 for one in slices], color=MUTED),
        ],
    }


def _labels(slices: list[Slice]) -> list[str]:
    words = "%H:%M" if len(slices) == RANGES["day"][2] else "%a %H:%M"
    return [one.since.strftime(words) for one in slices]


def _percent(share: float | None, *, of_failures: bool = False) -> float | None:
    if share is None:
        return None
    return round(100 * (1 - share if of_failures else share), 1)


def _bars(label: str, data: list[float | None], *, color: str) -> dict[str, Any]:
    return {"label": label, "data": data, "backgroundColor": color, "maxBarThickness": 14}


def _line(label: str, seconds: list[float | None], *, color: str) -> dict[str, Any]:
    return {
        "label": label,
        "data": [None if one is None else round(one * 1000, 1) for one in seconds],
        "borderColor": color,
        "backgroundColor": color,
        "borderWidth": 2,
        "pointRadius": 2,
        "pointHoverRadius": 4,
        "spanGaps": True,
        "cubicInterpolationMode": "monotone",
    }


def _options(*, is_stacked: bool, most: int | None) -> dict[str, Any]:
    ticks = {"color": MUTED, "maxRotation": 0, "autoSkipPadding": 16}
    bounds = {"min": 0} if most is None else {"min": 0, "max": most}
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "align": "end",
                "labels": {"color": MUTED, "boxWidth": 6, "boxHeight": 6, "usePointStyle": True},
            }
        },
        "scales": {
            "x": {
                "stacked": is_stacked,
                "border": {"display": False},
                "grid": {"display": False},
                "ticks": ticks,
            },
            "y": {
                "stacked": is_stacked,
                "border": {"display": False, "dash": [4, 4]},
                "grid": {"tickLength": 0},
                "ticks": {**ticks, "maxTicksLimit": 5, "padding": 8},
                **bounds,
            },
        },
    }
