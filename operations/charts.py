"""Bars over time, as unfold's Chart.js draws them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils.formats import date_format

from operations.figures import Period, Traffic
from operations.spans import Span

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


def traffic_chart(
    period: Period, traffic: Traffic, *, words: tuple[str, str], now: datetime
) -> str:
    """What went well, what failed, and what the limit refused, where there is any of it."""
    columns = (traffic.in_slots, traffic.failed_in_slots, traffic.limited_in_slots)
    fine = [total - failed - limited for total, failed, limited in zip(*columns, strict=True)]
    well, badly = words
    coloured: dict[str, tuple[str, Sequence[int]]] = {well: (COLOURS["voicemail"], fine)}
    if traffic.failed:
        coloured[badly] = (COLOURS["failed"], traffic.failed_in_slots)
    if traffic.limit_hits:
        coloured["Over the limit"] = (COLOURS["no_answer"], traffic.limited_in_slots)
    return bars(period, coloured, now=now)


def bars(
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
