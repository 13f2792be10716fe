"""What a key was used for, as its page shows it: by hour, with errors, limit hits and addresses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Sum
from django.utils.formats import date_format

from agents.models import ApiKey
from core.admin import NONE, seconds
from operations.charts import OPTIONS, traffic_chart
from operations.figures import PERIODS, Period, Traffic, key_traffic
from operations.models import ApiAddress
from operations.spans import Span, begin_of
from operations.wording import number, share

# In this order on the page; the first is shown unless another is asked for.
RANGES = {"day": "24 hours", "week": "7 days", "month": "30 days"}
SLOTS = {3600: "hour", 21_600: "six hours", 86_400: "day"}
ADDRESSES_SHOWN = 10


@dataclass(frozen=True)
class Slot:
    """One line of the table: a span in which the key was used."""

    begins: str
    requests: str
    errors: str
    limited: str


def use_of(key: ApiKey, *, range_: str, now: datetime) -> dict[str, Any]:
    """What templates/admin/agents/apikey/use.html and use_by.html show of one of RANGES."""
    period = PERIODS[range_ if range_ in RANGES else "day"]
    traffic = key_traffic(key, period, now=now)
    addresses, more = _addresses(key, since=period.starts(now=now)[0])
    return {
        "ranges": [(name, words, name == period.name) for name, words in RANGES.items()],
        "period": period,
        "facts": _facts(traffic),
        "chart": traffic_chart(period, traffic, words=("Answered", "Errors"), now=now),
        "chart_options": json.dumps(OPTIONS),
        "slot": SLOTS[period.slot],
        "slots": _slots(period, traffic, now=now),
        "addresses": addresses,
        "more_addresses": more,
    }


def _facts(traffic: Traffic) -> list[tuple[str, str]]:
    errors = f"{number(traffic.failed)} ({share(traffic.failure_rate)})" if traffic.failed else "0"
    return [
        ("Requests", number(traffic.total)),
        ("Errors", errors),
        ("Over the limit", number(traffic.limit_hits)),
        ("Half answered within", seconds(traffic.p50)),
        ("95 of 100 within", seconds(traffic.p95)),
    ]


def _slots(period: Period, traffic: Traffic, *, now: datetime) -> list[Slot]:
    """Those in which it was used, newest first."""
    columns = (
        period.starts(now=now),
        traffic.in_slots,
        traffic.failed_in_slots,
        traffic.limited_in_slots,
    )
    used = [row for row in zip(*columns, strict=True) if row[1]]
    return [
        Slot(_begins(begins, period), number(requests), _or_none(failed), _or_none(limited))
        for begins, requests, failed, limited in reversed(used)
    ]


def _addresses(key: ApiKey, *, since: datetime) -> tuple[Sequence[dict[str, Any]], int]:
    """The busiest ones, and how many more there are."""
    seen = ApiAddress.objects.filter(api_key=key, at__gte=begin_of(since, Span.HOUR))
    counted = seen.values("address").annotate(requests=Sum("requests"), last=Max("at"))
    rows = list(counted.order_by("-requests", "address"))
    shown = [
        {
            "address": row["address"],
            "requests": number(row["requests"]),
            "last": date_format(row["last"], "j M Y, H:i"),
        }
        for row in rows[:ADDRESSES_SHOWN]
    ]
    return shown, len(rows) - len(shown)


def _begins(at: datetime, period: Period) -> str:
    return date_format(at, "j M Y" if period.slot >= Span.DAY else "j M Y, H:i")


def _or_none(count: int) -> str:
    return number(count) if count else NONE
