"""`python -m bench.load`: a grown install in DATABASE_URL, and how long the operators' pages take.

Loads, in an empty database, 1,000,000 calls and 3,000,000 deliveries of 20 accounts over 90 days,
with their timelines, dials, events, attempts and messages; then asks for each page a few times and
prints the server's time and the queries. `--measure` only does the latter. `--calls` for less.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

CALLS = 1_000_000
DAYS = 90
ACCOUNTS = 20
AGENTS = 3
# To each account, whose events go to both: three deliveries a call.
WEBHOOKS = 2
CHUNK = 100_000
TIMES = 5
REACH_MS = 200

# Times within the last days, more of them by day.
PLACED = """
CREATE TEMPORARY TABLE placed AS
SELECT number, at,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(number::text), 1, 3) || '8' || substr(md5('c' || number), 1, 15))::uuid AS id,
       floor(random() * random() * %(accounts)s)::int AS account,
       floor(random() * %(agents)s)::int AS agent,
       random() AS fate, random() AS talked, random() < 0.92 AS is_live,
       '+1' || (2000000000 + floor(random() * 400000)::bigint * 17) AS number_called
FROM (
    SELECT number, now() - interval '1 minute' - floor(random() * %(days)s) * interval '1 day'
           - greatest(0, least(23.9, 12 + (random() + random() + random() - 1.5) * 11))
             * interval '1 hour' AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
) AS times
"""
# Each table's columns as SQL expressions, and what they are selected from. Columns that are not
# named are null, or plainly empty where they cannot be.
Table = tuple[str, dict[str, str], str]
FATES = """
    (0.55, 'completed', ''), (0.70, 'voicemail', ''), (0.85, 'no_answer', ''), (0.92, 'busy', ''),
    (0.95, 'failed', 'rejected'), (0.97, 'failed', 'number_not_in_service'),
    (0.975, 'failed', 'carrier_down'), (0.98, 'canceled', 'expired'), (2, 'canceled', 'on_request')
"""
OWNER = {
    "account_id": "c.account_id",
    "agent_id": "c.agent_id",
    "api_key_id": "CASE WHEN p.is_live THEN c.live_id ELSE c.test_id END",
    "request_id": "md5(p.id::text)",
    "mode": "CASE WHEN p.is_live THEN 'live' ELSE 'test' END",
    "carrier": "c.carrier",
    "from_number": "'+14155550100'",
    "to_number": "p.number_called",
    "created_at": "p.at",
}
OWNED = "placed p JOIN owners c ON c.account = p.account AND c.agent = p.agent"
OURS = "WHERE c.id IN (SELECT id FROM placed)"
TOLD_OURS = "WHERE e.subject IN (SELECT 'call_' || replace(id::text, '-', '') FROM placed)"
TABLES: list[Table] = [
    (
        "calls.Call",
        {
            **OWNER,
            "id": "p.id",
            "status": "o.status",
            "reason": "o.reason",
            "prompt": "repeat('You call on behalf of the clinic. ', 12)",
            "params": """'{"name": "Ada"}'""",
            "missing_params": "'[]'",
            "price_per_minute": "1",
            "cost": "CASE WHEN o.is_answered THEN ceil(p.talked * 4) ELSE 0 END",
            "started_at": "CASE WHEN o.is_answered THEN p.at + interval '9 seconds' END",
            "ended_at": "p.at + interval '9 seconds' + CASE WHEN o.is_answered "
            "THEN p.talked * interval '4 minutes' ELSE interval '0' END",
        },
        f"""{OWNED} CROSS JOIN LATERAL (
            SELECT status, reason, status IN ('completed', 'voicemail') AS is_answered
            FROM (VALUES {FATES}) AS fates (below, status, reason)
            WHERE p.fate < below ORDER BY below LIMIT 1) AS o ORDER BY p.at""",  # noqa: S608
    ),
    (
        "calls.Dial",
        {
            "id": "md5('d' || c.id)::uuid",
            "call_id": "c.id",
            "status": "c.status",
            "reason": "c.reason",
            "carrier_id": "'CA' || md5(c.id::text)",
            "asked_at": "c.created_at",
            "started_at": "c.started_at",
            "ended_at": "c.ended_at",
            "due_at": "c.ended_at",
            "deadline_at": "c.ended_at",
        },
        f"calls_call c {OURS} AND c.status <> 'canceled'",
    ),
    (
        "calls.CallEvent",
        {"call_id": "c.id", "type": "line.type", "at": "line.at", "detail": "'{}'"},
        f"""calls_call c CROSS JOIN LATERAL (VALUES
            (1, 'queued', c.created_at), (2, 'dialing', c.created_at), (3, c.status, c.ended_at)
        ) AS line (place, type, at) {OURS} ORDER BY line.at, line.place""",
    ),
    (
        "webhooks.Event",
        {
            "id": "md5(kind || c.id)::uuid",
            "account_id": "c.account_id",
            "agent_id": "c.agent_id",
            "type": "kind",
            "subject": "'call_' || replace(c.id::text, '-', '')",
            "body": """'{"event": "' || kind || '", "data": {"callId": "' || c.id || '"}}'""",
            "created_at": "told.at",
        },
        f"""calls_call c CROSS JOIN LATERAL (VALUES
            ('call.started', c.started_at),
            (CASE WHEN c.started_at IS NULL THEN 'call.failed' ELSE 'call.completed' END,
             c.ended_at)
        ) AS told (kind, at) {OURS} AND told.at IS NOT NULL ORDER BY told.at""",
    ),
    (
        "webhooks.Delivery",
        {
            "id": "md5('v' || e.id || h.id)::uuid",
            "event_id": "e.id",
            "subscription_id": "h.id",
            "status": "CASE WHEN waits THEN 'pending' WHEN d.luck < 0.004 THEN 'failed' "
            "ELSE 'delivered' END",
            "attempts": "CASE WHEN waits OR d.luck > 0.97 THEN 2 ELSE 1 END",
            "next_attempt_at": "CASE WHEN waits THEN now() + d.luck * interval '1 day' END",
            "created_at": "e.created_at",
            "ended_at": "CASE WHEN NOT waits THEN e.created_at + interval '1 second' END",
        },
        f"""webhooks_event e JOIN webhooks_subscription h ON h.account_id = e.account_id
        CROSS JOIN LATERAL (SELECT random() + extract(epoch FROM e.created_at) * 0 AS luck) AS d
        CROSS JOIN LATERAL (
            SELECT e.created_at > now() - interval '2 days' AND d.luck > 0.95 AS waits
        ) AS w {TOLD_OURS}""",  # noqa: S608
    ),
    (
        "webhooks.Attempt",
        {
            "delivery_id": "d.id",
            "number": "n",
            "started_at": "d.created_at + n * interval '50 milliseconds'",
            "duration": "0.02 * exp(2.5 * random()) + (random() < 0.01)::int * 4",
            "failure": "CASE WHEN is_failed THEN 'http_error' ELSE '' END",
            "response_status": "CASE WHEN is_failed THEN 503 ELSE 200 END",
            "response_body": "'ok'",
        },
        f"""webhooks_delivery d JOIN webhooks_event e ON e.id = d.event_id
        CROSS JOIN LATERAL generate_series(1, d.attempts) AS n
        CROSS JOIN LATERAL (SELECT n < d.attempts OR d.status <> 'delivered' AS is_failed) AS f
        {TOLD_OURS} ORDER BY d.created_at""",
    ),
    (
        "calls.Message",
        {
            **OWNER,
            "id": "md5('m' || p.id)::uuid",
            "status": "CASE WHEN p.fate < 0.97 THEN 'delivered' ELSE 'failed' END",
            "reason": "CASE WHEN p.fate < 0.97 THEN '' ELSE 'rejected' END",
            "text": "'Your appointment is tomorrow at nine.'",
            "missing_params": "'[]'",
            "ended_at": "p.at + interval '2 seconds'",
        },
        f"{OWNED} WHERE p.number % 5 = 0 ORDER BY p.at",
    ),
]
PLAIN = {"CharField": "''", "TextField": "''", "JSONField": "'{}'", "BooleanField": "false"}
API_SQL = """
INSERT INTO operations_apiusage (span, at, api_key_id, surface, took, requests, client_errors,
                                 server_errors, limit_hits)
SELECT span, begins, key, surface, took, sum(n), sum(n / 60), 0, sum(n / 90) FROM (
    SELECT k.id AS key, hour, took, (random() * 120 / (1 + abs(took - 4)))::int AS n,
           CASE WHEN took %% 3 = 0 THEN 'zapier' ELSE 'native' END AS surface
    FROM agents_apikey k, generate_series(1, 7) AS took,
         generate_series(date_trunc('hour', now()) - %(days)s * interval '1 day', now(),
                         interval '1 hour') AS hour
) AS used, unnest(ARRAY[300, 3600, 86400]) AS span
CROSS JOIN LATERAL (
    SELECT to_timestamp(floor(extract(epoch FROM hour) / span) * span) AS begins
) AS b
WHERE n > 0 AND (span > 300 OR hour > now() - interval '2 days')
GROUP BY span, begins, key, surface, took
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--calls", type=int, default=CALLS)
    arguments.add_argument("--measure", action="store_true", help="load nothing")
    given = arguments.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        sys.exit("python -m bench.load loads PostgreSQL: set DATABASE_URL to an empty database")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")

    import django

    django.setup()
    if not given.measure:
        load(given.calls)
    sys.exit(0 if measure() else 1)


# Loading ------------------------------------------------------------------------------------------


def load(calls: int) -> None:
    from django.db import connection

    from calls.models import Call
    from config.migrating import migrate
    from operations.rollups import roll_up

    migrate()
    if Call.objects.exists():
        sys.exit("DATABASE_URL has calls already: this is for an empty database")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        make_owners(cursor)
        for first in range(1, calls + 1, CHUNK):
            last = min(first + CHUNK - 1, calls)
            with said(f"calls {first:,} to {last:,}"):
                load_calls(cursor, first=first, last=last)
        with said("use of the API"):
            cursor.execute(API_SQL, {"days": DAYS})
        with said("ANALYZE"):
            cursor.execute("VACUUM ANALYZE")
    with said("rollups"):
        while not roll_up():
            pass


def make_owners(cursor: Any) -> None:
    """Accounts with agents, keys and webhooks; `owners` says which call is whose."""
    from agents.services import create_agent, create_key, open_account
    from webhooks.events import CALL_COMPLETED, CALL_FAILED, CALL_STARTED
    from webhooks.models import Subscription
    from webhooks.services import subscribe

    cursor.execute(
        "CREATE TEMPORARY TABLE owners (account int, agent int, account_id uuid, agent_id uuid, "
        "live_id uuid, test_id uuid, carrier text)"
    )
    for number in range(ACCOUNTS):
        account = open_account(name=f"Clinic {number + 1}", credits=Decimal(300 * number**2 + 40))
        keys = [create_key(account, name=f"CRM, {mode}", mode=mode)[0] for mode in ("live", "test")]
        for place in range(AGENTS):
            carrier = ("twilio", "dialer", "simulated")[place]
            agent, _ = create_agent(
                account, name=f"Agent {place + 1}", default_number="+14155550100", carrier=carrier
            )
            row = [number, place, account.id, agent.id, keys[0].id, keys[1].id, carrier]
            cursor.execute("INSERT INTO owners VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
        for place in range(WEBHOOKS):
            subscribe(
                account,
                url=f"https://hooks-{place}.example.org/{number}",
                events=[CALL_STARTED, CALL_COMPLETED, CALL_FAILED],
            )
    off = Subscription.objects.filter(url__endswith="example.org/7")
    off.update(status="disabled", status_reason="gone")


def load_calls(cursor: Any, *, first: int, last: int) -> None:
    values = {"accounts": ACCOUNTS, "agents": AGENTS, "days": DAYS, "first": first, "last": last}
    cursor.execute(PLACED, values)
    cursor.execute("ANALYZE placed")
    for name, columns, source in TABLES:
        table, filled = filled_in(name, columns)
        names, expressions = ", ".join(filled), ", ".join(filled.values())
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {expressions} FROM {source}")  # noqa: S608
        # The next one reads it, and without figures of it PostgreSQL reads it row by row.
        cursor.execute(f"ANALYZE {table}")
    cursor.execute("DROP TABLE placed")


def filled_in(name: str, columns: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The model's table, and all of its columns that need a value."""
    from django.apps import apps

    model = apps.get_model(name)
    needed = {
        str(field.column): PLAIN.get(field.get_internal_type(), "1")
        for field in model._meta.concrete_fields
        if not field.null and field.get_internal_type() != "BigAutoField"
    }
    return model._meta.db_table, {**needed, **columns}


@contextmanager
def said(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    sys.stdout.write(f"{what}: {time.monotonic() - began:.1f} s\n")
    sys.stdout.flush()


# Measuring ----------------------------------------------------------------------------------------


def measure() -> bool:
    """Ask for each page, print what it took; whether all are quick enough."""
    from django.contrib.auth.models import User
    from django.test import Client

    operator, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True}
    )
    browser = Client(headers={"host": "localhost"})
    browser.force_login(operator)
    slow = []
    sys.stdout.write("| page | ms | worst of 5 | queries |\n|---|---|---|---|\n")
    for name, path in pages():
        typical, worst, queries = timed(browser, path)
        sys.stdout.write(f"| {name} | {typical:.0f} | {worst:.0f} | {queries} |\n")
        sys.stdout.flush()
        slow += [name] if typical > REACH_MS else []
    sys.stdout.write(f"over {REACH_MS} ms: {', '.join(slow) or 'none'}\n")
    return not slow


def timed(browser: Any, path: str) -> tuple[float, float, int]:
    """Milliseconds: the median and the worst of some; and the number of queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    taken = []
    browser.get(path)  # the templates are compiled
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = browser.get(path)
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            sys.exit(f"{path} answered {answer.status_code}")
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)
    return statistics.median(taken), max(taken), len(queries)


def pages() -> list[tuple[str, str]]:
    from django.utils import timezone

    from agents.models import Account
    from calls.models import Call, Message
    from webhooks.models import Delivery, Event, Subscription

    call, rare = Call.objects.order_by("-created_at")[5000], Account.objects.order_by("-name")[0]
    delivery, message = Delivery.objects.latest("created_at"), Message.objects.latest("created_at")
    webhook, agent = Subscription.objects.latest("created_at"), call.agent_id
    week = (timezone.now() - timedelta(days=7)).date()
    calls, deliveries = "/admin/calls/call/", "/admin/webhooks/delivery/"
    messages, events = "/admin/calls/message/", "/admin/webhooks/event/"
    event = Event.objects.latest("created_at")
    return [
        *[
            (f"dashboard, {one}", f"/admin/?range={one}")
            for one in ("hour", "day", "week", "month")
        ],
        ("calls", calls),
        ("calls, page 100", f"{calls}?p=100"),
        ("calls of an account", f"{calls}?account__id__exact={rare.id}"),
        ("calls of an agent", f"{calls}?agent__id__exact={agent}"),
        ("calls that failed", f"{calls}?status__exact=failed"),
        ("calls under way: none", f"{calls}?status__exact=in_progress"),
        (
            "calls of an account that failed",
            f"{calls}?account__id__exact={rare.id}&status__exact=failed",
        ),
        ("calls in test mode", f"{calls}?mode__exact=test"),
        ("calls of a week", f"{calls}?created_at__gte={week}+00:00:00%2B00:00"),
        ("calls by number", f"{calls}?q={call.to_number.replace('+', '%2B')}"),
        ("calls by id", f"{calls}?q={call.native_id}"),
        ("calls by number: none", f"{calls}?q=%2B14155550199"),
        ("calls ordered by number", f"{calls}?o=1"),
        ("a call", f"{calls}{call.id}/change/"),
        ("deliveries", deliveries),
        ("deliveries that wait", f"{deliveries}?status__exact=pending"),
        ("deliveries that failed", f"{deliveries}?status__exact=failed"),
        ("deliveries: held, none", f"{deliveries}?status__exact=held"),
        ("deliveries by id", f"{deliveries}?q={delivery.native_id}"),
        ("a delivery", f"{deliveries}{delivery.id}/change/"),
        ("messages", messages),
        ("messages that failed", f"{messages}?status__exact=failed"),
        ("messages of an account", f"{messages}?account__id__exact={rare.id}"),
        ("messages by number", f"{messages}?q={message.to_number.replace('+', '%2B')}"),
        ("a message", f"{messages}{message.id}/change/"),
        ("events", events),
        ("an event", f"{events}{event.id}/change/"),
        ("webhooks", "/admin/webhooks/subscription/"),
        ("a webhook", f"/admin/webhooks/subscription/{webhook.id}/change/"),
        ("accounts", "/admin/agents/account/"),
        ("API keys", "/admin/agents/apikey/"),
        ("agents", "/admin/agents/agent/"),
    ]


if __name__ == "__main__":
    main()
