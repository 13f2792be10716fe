"""Lengths of time that figures are kept by. All begin on the clock, in UTC."""

from datetime import UTC, datetime, timedelta

from django.db import models


class Span(models.IntegerChoices):
    """Seconds. Every figure is kept at each of them, so that a chart reads few rows."""

    FIVE_MINUTES = 300
    HOUR = 3600
    DAY = 86_400


class Slot(models.IntegerChoices):
    """Seconds that a column of one of the dashboard's charts stands for."""

    FIVE_MINUTES = 300
    HOUR = 3600
    QUARTER_DAY = 21_600
    DAY = 86_400


# How long the figures of each are kept: the finest are for looking at the last hour, the hours are
# what GET usage tells of the last 90 days, and a day can be compared with that of a year ago.
KEPT_FOR = {
    Span.FIVE_MINUTES: timedelta(days=2),
    Span.HOUR: timedelta(days=100),
    Span.DAY: timedelta(days=400),
}
# As long as a chart looks back, and a little.
SLOTS_KEPT_FOR = {
    Slot.FIVE_MINUTES: timedelta(hours=2),
    Slot.HOUR: timedelta(days=2),
    Slot.QUARTER_DAY: timedelta(days=8),
    Slot.DAY: timedelta(days=32),
}
ADDRESSES_KEPT_FOR = timedelta(days=90)


def begin_of(moment: datetime, span: int) -> datetime:
    """When the span of so many seconds began that `moment` is in."""
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % span, UTC)
