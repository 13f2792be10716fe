"""Whether a worker has been heard from lately."""

from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

HEARD_WITHIN = timedelta(minutes=1)
KEY = "worker-heard-at"


def beat() -> None:
    """A worker is alive. Never raises: the sweep must go on without a cache."""
    try:
        cache.set(KEY, timezone.now().isoformat(), HEARD_WITHIN.total_seconds())
    except Exception:
        return


def last_heard() -> datetime | None:
    """When a worker was last heard from, within the last minute."""
    heard = cache.get(KEY)
    return datetime.fromisoformat(heard) if heard else None
