"""Limits: so many requests a minute for a key, so many failures a minute from an address."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NoReturn

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request

from agents.models import ApiKey, Mode
from core.errors import DomainError, RateLimitExceeded
from core.times import rfc3339

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
# A Redis that hangs would keep a thread for each request: after a failure one request in so many
# seconds asks whether it is back.
BROKEN_PAUSE_SECONDS = 5.0

# One round trip, and the window starts with the first request in it.
COUNT_SCRIPT = """
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[1])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {count, left}
"""


@dataclass(frozen=True)
class Usage:
    """Where a key stands in its window."""

    limit: int
    count: int
    reset_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(self.limit - self.count, 0)),
            "RateLimit-Reset": str(self.reset_seconds),
        }

    @property
    def is_exceeded(self) -> bool:
        return self.count > self.limit


def count_request(api_key: ApiKey) -> Usage:
    """Count one request of `api_key` in its fixed 60 s window."""
    count, left = _count(f"outdial:limit:{api_key.id}")
    return Usage(limit=_limit(api_key), count=count, reset_seconds=max(ceil(left), 1))


def too_many(reset_seconds: int) -> RateLimitExceeded:
    reset_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=reset_seconds)
    return RateLimitExceeded(reset_seconds=reset_seconds, reset_at=rfc3339(reset_at))


def refuse_after(
    request: Request | HttpRequest, *, failure: str, limit: int, error: DomainError
) -> NoReturn:
    """Raise `error`, or RateLimitExceeded once this address failed more than `limit` a minute."""
    plain = request._request if isinstance(request, Request) else request
    try:
        usage = get_usage(plain, group=failure, key="ip", rate=f"{limit}/m", increment=True)
    except Exception as broken:
        # A cache that is down lifts this limit: the keys are 256 random bits, guessing is hopeless.
        log.warning("limit_not_counted", error=type(broken).__name__)
        raise error from None
    if usage and usage["should_limit"]:
        raise too_many(max(int(usage["time_left"]), 1))
    raise error


def _limit(api_key: ApiKey) -> int:
    if api_key.requests_per_minute is not None:
        return api_key.requests_per_minute
    if api_key.mode == Mode.LIVE:
        return int(settings.LIVE_KEY_REQUESTS_PER_MINUTE)
    return int(settings.TEST_KEY_REQUESTS_PER_MINUTE)


def _count(name: str) -> tuple[int, float]:
    """How many requests the window has had, and the seconds it has left."""
    if not settings.REDIS_URL or not _breaker.lets_pass():
        return _local.count(name)
    try:
        count, milliseconds = _script()(keys=[name], args=[WINDOW_SECONDS * 1000])
    except redis.RedisError as error:
        # Never refuse for want of Redis: this process counts for itself until it is back.
        _breaker.open()
        log.warning("limit_counted_locally", error=type(error).__name__)
        return _local.count(name)
    _breaker.close()
    return int(count), int(milliseconds) / 1000


class _Breaker:
    """Whether Redis is asked: always, or while it does not answer by one request now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_again_at: float | None = None

    def lets_pass(self) -> bool:
        if self._asked_again_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._asked_again_at is not None and now < self._asked_again_at:
                return False
            self._asked_again_at = now + BROKEN_PAUSE_SECONDS
            return True

    def open(self) -> None:
        self._asked_again_at = time.monotonic() + BROKEN_PAUSE_SECONDS

    def close(self) -> None:
        self._asked_again_at = None


_breaker = _Breaker()
# A thread's own connection: one of a pool's is looked at each time before it is lent.
_of_thread = threading.local()


def _script() -> redis.commands.core.Script:
    script: redis.commands.core.Script | None = getattr(_of_thread, "script", None)
    if script is None:
        client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=0.5,
            socket_timeout=0.5,
            # A server that was started anew is connected to anew.
            retry=Retry(NoBackoff(), 1),
            single_connection_client=True,
        )
        script = _of_thread.script = client.register_script(COUNT_SCRIPT)
    return script


class _LocalWindows:
    """The same windows in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def count(self, name: str, *, seconds: int = WINDOW_SECONDS) -> tuple[int, float]:
        now = time.monotonic()
        with self._lock:
            ends, count = self._windows.get(name, (0.0, 0))
            if ends <= now:
                self._forget_ended(now)
                ends, count = now + seconds, 0
            self._windows[name] = ends, count + 1
        return count + 1, ends - now

    def _forget_ended(self, now: float) -> None:
        ended = [name for name, (ends, _) in self._windows.items() if ends <= now]
        for name in ended:
            del self._windows[name]

    def clear(self) -> None:
        with self._lock:
            self._windows.clear()


_local = _LocalWindows()


def count_locally(name: str, *, seconds: int) -> tuple[int, float]:
    """Count once in this process's own window of `seconds`: its count, and what it has left."""
    return _local.count(name, seconds=seconds)


def forget_local_counts() -> None:
    """Start this process's own windows afresh, and trust Redis again."""
    _breaker.close()
    _local.clear()
