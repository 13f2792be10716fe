"""What the operator watches: figures by span of time, and the alerts that come of them."""

from operations.models.alerts import LONGEST_HOLD, AlertRule, Incident, IncidentQuerySet, Notice
from operations.models.rollups import (
    AccountAttemptRollup,
    AccountCallRollup,
    AccountRollup,
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
    "LONGEST_HOLD",
    "AccountAttemptRollup",
    "AccountCallRollup",
    "AccountRollup",
    "AlertRule",
    "ApiAddress",
    "ApiUsage",
    "ApiUsageQuerySet",
    "AttemptRollup",
    "CallRollup",
    "Incident",
    "IncidentQuerySet",
    "Notice",
    "Rollup",
    "Tally",
    "Watermark",
]
