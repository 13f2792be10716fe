"""Every check, in the order in which they are shown, and what they find."""

from collections.abc import Callable
from dataclasses import dataclass

import redis
import structlog
from django.db import DatabaseError

from operations.doctor import outside, parts, safety, storage
from operations.doctor.findings import Check, Finding, State, failed
from operations.doctor.side_by_side import Outcome, ask_all

# For all checks together: they run side by side, and each ends by itself before.
SECONDS = 12.0

# By the name that `doctor NAME` takes, with a title. Another one is a function and a line.
CHECKS: dict[str, tuple[str, Check]] = {
    "database": ("Database", storage.database),
    "migrations": ("Migrations", storage.migrations),
    "secrets": ("Stored secrets", storage.stored_secrets),
    "disk": ("Disk", storage.disk),
    "broker": ("Broker", parts.broker),
    "cache": ("Redis", parts.cache_server),
    "worker": ("Worker", parts.worker),
    "beat": ("Beat", parts.beat),
    "figures": ("Figures", parts.figures),
    "clock": ("Clock", parts.clock),
    "public_url": ("Public URL", outside.public_url),
    "carriers": ("Carriers", outside.carriers),
    "mail": ("Mail", outside.mail),
    "settings": ("Settings", safety.risky_settings),
    "files": ("Files", safety.files),
    "users": ("Users", safety.users),
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Result:
    """One check and all that it found."""

    name: str
    title: str
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        return max(finding.state for finding in self.findings)


def examine(names: list[str] | None = None) -> list[Result]:
    """What the checks of these names find, or all of them; never raises, and ends in time."""
    chosen = [name for name in CHECKS if not names or name in names]
    outcomes = ask_all({name: _whole(CHECKS[name][1]) for name in chosen}, seconds=SECONDS)
    return [_result(name, outcomes[name]) for name in chosen]


def worst(results: list[Result]) -> State:
    return max((result.state for result in results), default=State.OK)


def _whole(check: Check) -> Callable[[], tuple[Finding, ...]]:
    return lambda: tuple(check())


def _result(name: str, outcome: Outcome[tuple[Finding, ...]]) -> Result:
    title = CHECKS[name][0]
    try:
        return Result(name=name, title=title, findings=outcome.get())
    except TimeoutError:
        found = failed(
            f"No answer within {SECONDS:.0f} seconds.",
            mend="What it asks hangs: look at the network between this machine and that.",
        )
    except redis.RedisError:
        found = failed(
            "Nobody knows: Redis does not answer.", mend="Mend what is said of Redis first."
        )
    except DatabaseError:
        found = failed(
            "It could not be looked at: the database does not answer, or not as expected.",
            mend="Mend what is said of the database and of migrations first.",
        )
    except Exception as error:
        # Its text may hold anything, so it goes nowhere.
        log.warning("doctor_check_broke", check=name, error=type(error).__name__)
        found = failed(
            f"It could not be looked at ({type(error).__name__}).",
            mend="Look for doctor_check_broke in the log, and mend what else is said here first.",
        )
    return Result(name=name, title=title, findings=(found,))
