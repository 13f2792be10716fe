"""The kinds of alerts: what each looks for, what it takes for one, and what to do about it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.db.models import TextChoices

from operations import findings
from operations.findings import Find


class Unit(TextChoices):
    """What a threshold is counted in."""

    PER_CENT = "%"
    SECONDS = "s"
    MINUTES = "min"
    CREDITS = "credits"
    NOTHING = ""


@dataclass(frozen=True)
class Kind:
    """`threshold` and `minutes` are what a new rule has; docs/operations/alerts.md has them too.

    `is_of_server` says that its incidents concern every account. Who sees some accounts is shown
    what their own figures come to instead.
    """

    name: str
    title: str
    find: Find
    meaning: str
    advice: str
    permission: str
    button: str
    icon: str
    threshold: str | None = None
    unit: Unit = Unit.NOTHING
    minutes: int = 0
    is_of_server: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "api_errors",
            "API errors",
            findings.api_errors,
            "The share of requests that fail through our fault (5xx), test keys aside; at least 5.",
            "Look for errors in the web processes' log, and at the database.",
            "agents.view_apikey",
            "See the figures",
            "error",
            threshold="2",
            unit=Unit.PER_CENT,
            minutes=2,
            is_of_server=True,
        ),
        Kind(
            "api_slow",
            "API response time",
            findings.api_slow,
            "The time that 95 of 100 requests stay within, of at least 50, test keys aside.",
            "Look at the database's load, then start more web processes.",
            "agents.view_apikey",
            "See the figures",
            "speed",
            threshold="1",
            unit=Unit.SECONDS,
            minutes=5,
            is_of_server=True,
        ),
        Kind(
            "carrier_failing",
            "Carrier failing or silent",
            findings.failing_carriers,
            "The share of an hour's live calls that the carrier lost or refused; at least 3.",
            "See the carrier's status page, its credentials here, and this server's network.",
            "calls.view_call",
            "Look at failed calls",
            "signal_disconnected",
            threshold="20",
            unit=Unit.PER_CENT,
            minutes=2,
            is_of_server=True,
        ),
        Kind(
            "calls_stuck",
            "Stuck calls",
            findings.stuck_calls,
            "How long after it should have ended a call has no end.",
            "See that workers run and the carrier answers; calls end by themselves then.",
            "calls.view_call",
            "Look at the first",
            "hourglass_disabled",
            threshold="5",
            unit=Unit.MINUTES,
            is_of_server=True,
        ),
        Kind(
            "agent_failing",
            "Agent failing",
            findings.failing_agents,
            "The share of an agent's live calls of 6 hours that failed, of at least 5.",
            "See why its calls failed: the number it calls from, its carrier, its list.",
            "calls.view_call",
            "Look at failed calls",
            "support_agent",
            threshold="30",
            unit=Unit.PER_CENT,
            minutes=5,
        ),
        Kind(
            "webhook_disabled",
            "Webhook disabled",
            findings.disabled_webhooks,
            "Nothing is sent any more; events are held. Zaps that were turned off do not count.",
            "Have the endpoint repaired, then enable the webhook: what was held is sent.",
            "webhooks.view_subscription",
            "Mend it",
            "webhook",
        ),
        Kind(
            "webhook_failing",
            "Webhook failing",
            findings.failing_webhooks,
            "Five attempts in a row failed, and none has succeeded since.",
            "See what the endpoint answered, and tell whoever runs it.",
            "webhooks.view_subscription",
            "Look at it",
            "webhook",
            minutes=5,
        ),
        Kind(
            "deliveries_late",
            "Deliveries late",
            findings.waiting_deliveries,
            "How long the first delivery to an endpoint that is well has been due.",
            "Start more workers; see that those which run reach database and network.",
            "webhooks.view_subscription",
            "Look at what waits",
            "schedule_send",
            threshold="5",
            unit=Unit.MINUTES,
            minutes=2,
            is_of_server=True,
        ),
        Kind(
            "credits_low",
            "Credits low",
            findings.low_credits,
            "What an account has left; also when it is less than it spent in a day.",
            "Top the account up, or tell its owner.",
            "agents.view_account",
            "Top up",
            "account_balance_wallet",
            threshold="10",
            unit=Unit.CREDITS,
            minutes=5,
        ),
        Kind(
            "key_unusual",
            "Key used unlike itself",
            findings.unusual_keys,
            "From a network it never came from, or ten times as much as in its busiest hours.",
            "Ask its owner. Theirs: dismiss it. If not: rotate without overlap, or revoke.",
            "agents.view_apikey",
            "Look at the key",
            "key",
        ),
    )
}


def create_rules(*, apps: Apps = global_apps, **_: Any) -> None:
    """After a migration: a rule of every kind, those that are there as the operator left them."""
    try:
        rule: Any = apps.get_model("operations", "AlertRule")
    except LookupError:
        return  # migrated back to before there were any
    rule.objects.bulk_create(
        [
            rule(
                kind=kind.name,
                threshold=None if kind.threshold is None else Decimal(kind.threshold),
                holds_for=kind.minutes,
            )
            for kind in KINDS.values()
        ],
        ignore_conflicts=True,
    )
