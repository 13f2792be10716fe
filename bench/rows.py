"""What a grown install holds, as SQL: `python -m bench.load` fills tables with it."""

# Ids are ordered by time, as those that the server makes are.
ID_OF = """
CREATE FUNCTION pg_temp.id_of(seed text, at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
            || substr(md5(seed), 1, 3) || '8' || substr(md5(seed), 4, 15))::uuid
$$
"""
# Times within the last days, more of them by day. The last account has as many however many there
# are: pages of it are asked for, and a page that is half empty is less work than a full one.
PLACED = """
CREATE TEMPORARY TABLE placed AS
SELECT number, at,
       pg_temp.id_of('c' || number, at) AS id,
       CASE WHEN number <= %(quiet)s THEN %(accounts)s - 1
            ELSE floor(random() * random() * (%(accounts)s - 1))::int END AS account,
       floor(random() * %(agents)s)::int AS agent,
       random() AS fate, random() AS talked, random() < 0.92 AS is_live,
       '+1415' || (2000000 + floor(random() * 400000)::int * 17) AS number_called
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
            "id": "pg_temp.id_of('d' || c.id, c.created_at)",
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
            "id": "pg_temp.id_of(kind || c.id, told.at)",
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
            "id": "pg_temp.id_of(h.id::text || e.id, e.created_at)",
            "event_id": "e.id",
            "subscription_id": "h.id",
            "status": "CASE WHEN d.luck < 0.004 THEN 'failed' ELSE 'delivered' END",
            "attempts": "CASE WHEN d.luck > 0.97 THEN 2 ELSE 1 END",
            "created_at": "e.created_at",
            "ended_at": "e.created_at + interval '1 second'",
        },
        f"""webhooks_event e JOIN webhooks_subscription h ON h.account_id = e.account_id
        CROSS JOIN LATERAL (SELECT random() + extract(epoch FROM e.created_at) * 0 AS luck) AS d
        {TOLD_OURS}""",  # noqa: S608
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
            "id": "pg_temp.id_of('m' || p.id, p.at)",
            "status": "CASE WHEN p.fate < 0.97 THEN 'delivered' ELSE 'failed' END",
            "reason": "CASE WHEN p.fate < 0.97 THEN '' ELSE 'rejected' END",
            "text": "'Your appointment is tomorrow at nine.'",
            "missing_params": "'[]'",
            "ended_at": "p.at + interval '2 seconds'",
        },
        f"{OWNED} WHERE p.number % 5 = 0 ORDER BY p.at",
    ),
]
OF_CALLS = [one for one in TABLES if one[0] in ("calls.Call", "calls.Dial", "calls.CallEvent")]
# What waits at the end: calls that are due, of every agent.
WAITING: Table = (
    "calls.Call",
    {
        **OWNER,
        "id": "pg_temp.id_of('w' || n || c.agent_id, now())",
        "api_key_id": "c.live_id",
        "mode": "'live'",
        "status": "'queued'",
        "to_number": "'+1415' || (2000000 + n)",
        "prompt": "'You call on behalf of the clinic.'",
        "missing_params": "'[]'",
        "price_per_minute": "1",
        "created_at": "now()",
        "due_at": "now() - n * interval '1 millisecond'",
    },
    "owners c CROSS JOIN generate_series(1, %(waiting)s) AS n",
)
# And deliveries, of every webhook: as many however long the history, or a claim of one database
# would be full and that of another not. First attempts, all due, and retries, half of them.
WAITS = "CROSS JOIN LATERAL (SELECT substr(e.subject, 7)::int AS n) AS w"
WAITING_TOLD: list[Table] = [
    (
        "webhooks.Event",
        {
            "id": "pg_temp.id_of('w' || n || a.id, told.at)",
            "account_id": "a.id",
            "type": "'call.completed'",
            "subject": "'waits_' || n",
            "body": """'{"event": "call.completed", "data": {}}'""",
            "created_at": "told.at",
        },
        """agents_account a CROSS JOIN generate_series(1, %(waiting)s) AS n
        CROSS JOIN LATERAL (SELECT now() - n * interval '45 minutes' AS at) AS told""",
    ),
    (
        "webhooks.Delivery",
        {
            "id": "pg_temp.id_of(h.id::text || e.id, e.created_at)",
            "event_id": "e.id",
            "subscription_id": "h.id",
            "status": "'pending'",
            "attempts": "n %% 2",
            "next_attempt_at": "now() + CASE WHEN n %% 2 = 0 THEN n * interval '-1 second' "
            "ELSE (%(waiting)s / 2 - n) * interval '1 minute' END",
            "created_at": "e.created_at",
        },
        f"""webhooks_event e JOIN webhooks_subscription h ON h.account_id = e.account_id {WAITS}
        WHERE e.subject LIKE 'waits%%'""",
    ),
    (
        "webhooks.Attempt",
        {
            "delivery_id": "d.id",
            "number": "1",
            "started_at": "d.created_at",
            "duration": "0.1",
            "failure": "'http_error'",
            "response_status": "503",
        },
        "webhooks_delivery d WHERE d.status = 'pending' AND d.attempts = 1",
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
GROUP BY span, begins, key, surface, took ORDER BY begins
"""
ADDRESSES_SQL = """
INSERT INTO operations_apiaddress (at, api_key_id, address, requests)
SELECT hour, k.id, ('192.0.2.' || host)::inet, (random() * 40)::int + 1
FROM agents_apikey k, generate_series(1, 3) AS host,
     generate_series(date_trunc('hour', now()) - %(days)s * interval '1 day', now(),
                     interval '1 hour') AS hour
"""
# What operations.rollups would count of it, row by row, in a quarter of an hour; in the order in
# which it is counted, so that rows of one time lie beside each other.
CALLS_ROLLED_UP = """
INSERT INTO operations_callrollup (span, at, account_id, agent_id, carrier, mode, outcome, reason,
                                   calls, talk_seconds, cost)
SELECT span, to_timestamp(floor(extract(epoch FROM ended_at) / span) * span), account_id, agent_id,
       carrier, mode, status, reason, count(*),
       coalesce(sum(round(extract(epoch FROM ended_at - started_at))), 0), sum(cost)
FROM calls_call, unnest(ARRAY[300, 3600, 86400]) AS span
WHERE ended_at IS NOT NULL AND (span > 300 OR ended_at > now() - interval '2 days')
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 2
"""
ATTEMPTS_ROLLED_UP = """
INSERT INTO operations_attemptrollup (span, at, subscription_id, took, attempts, failures)
SELECT span, to_timestamp(floor(extract(epoch FROM started_at) / span) * span), subscription_id,
       least(greatest(ceil(ln(duration * 1000) / ln(2)), 0), 16),
       count(*), count(*) FILTER (WHERE failure <> '')
FROM webhooks_attempt JOIN webhooks_delivery d ON d.id = delivery_id,
     unnest(ARRAY[300, 3600, 86400]) AS span
WHERE span > 300 OR started_at > now() - interval '2 days'
GROUP BY 1, 2, 3, 4 ORDER BY 2
"""
COUNTED = """
INSERT INTO operations_watermark (name, counted_to, tallied_to)
SELECT 'calls', coalesce(max(id), 0), coalesce(max(id), 0) FROM calls_callevent UNION ALL
SELECT 'attempts', coalesce(max(id), 0), coalesce(max(id), 0) FROM webhooks_attempt
"""
