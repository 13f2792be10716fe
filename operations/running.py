"""Whether worker and beat run, from wherever it is asked."""

from django.conf import settings
from django.utils import timezone

from core import heartbeat
from operations import rollups


def is_running(part: str) -> bool:
    """Whether it worked within the last minute."""
    return bool(heartbeat.last_heard(part)) or (not settings.REDIS_URL and _are_figures_fresh())


def _are_figures_fresh() -> bool:
    """The embedded server keeps what is heard to itself; its figures are in the database."""
    lag = rollups.lag(now=timezone.now())
    return lag is not None and lag < heartbeat.HEARD_WITHIN
