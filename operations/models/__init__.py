"""What the operator watches: figures by span of time."""

from operations.models.rollups import (
    ApiAddress,
    ApiUsage,
    ApiUsageQuerySet,
    AttemptRollup,
    CallRollup,
    Rollup,
    Watermark,
)
from operations.models.tallies import Tally

__all__ = [
    "ApiAddress",
    "ApiUsage",
    "ApiUsageQuerySet",
    "AttemptRollup",
    "CallRollup",
    "Rollup",
    "Tally",
    "Watermark",
]
