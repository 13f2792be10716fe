"""How connections to PostgreSQL are made, and how long each end goes on believing in the other.

A host that is cut off says no goodbye. By its own habits PostgreSQL keeps a session of it, and
every lock that it held, for two hours: the one that a claim of calls takes, for instance, for which
all other workers wait. And a client waits a quarter of an hour for an answer that never comes.
"""

from collections.abc import Mapping

VANISHED_SECONDS = 10
_KEEPALIVES = {"keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 3}
_USER_TIMEOUT_MS = VANISHED_SECONDS * 1_000
# Of a process that is there and does nothing: a virtual machine that was paused in a transaction.
_IDLE_IN_TRANSACTION_MS = 60_000
# Runs of one statement on one connection. Only `core.rows.prepared_cursor` prepares any.
_PREPARED_AFTER = 1


def postgres_options(given: Mapping[str, str]) -> dict[str, object]:
    """Options for a connection; what is `given`, in the database's URL, has the last word."""
    server = {f"tcp_{name}": value for name, value in _KEEPALIVES.items()}
    server["tcp_user_timeout"] = _USER_TIMEOUT_MS
    server["idle_in_transaction_session_timeout"] = _IDLE_IN_TRANSACTION_MS
    options = " ".join(f"-c {name}={value}" for name, value in server.items())
    return {
        "connect_timeout": VANISHED_SECONDS,
        "tcp_user_timeout": _USER_TIMEOUT_MS,
        **_KEEPALIVES,
        "prepare_threshold": _PREPARED_AFTER,
        **given,
        "options": f"{options} {given.get('options', '')}".strip(),
    }
