"""Whether a worker, and the beat, have been heard from lately."""

from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

HEARD_WITHIN = timedelta(minutes=1)
WORKER, BEAT = "worker", "beat"


def beat(part: str = WORKER) -> None:
    """It is alive. Never raises: whoever says so must go on without a cache."""
    try:
        cache.set(_key(part), timezone.now().isoformat(), HEARD_WITHIN.total_seconds())
    except Exception:
        return


def last_heard(part: str = WORKER) -> datetime | None:
    """When it was last heard from, within the last minute."""
    heard = cache.get(_key(part))
    return datetime.fromisoformat(heard) if heard else None


def _key(part: str) -> str:
    return f"{part}-heard-at"
