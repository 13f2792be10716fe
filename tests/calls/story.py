"""A carrier that a test tells what to answer; it remembers what it was asked."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from calls.carriers.base import Accepted, Carrier, DialOrder
from calls.models import DialStatus
from calls.reports import Report, Snapshot


class StoryCarrier(Carrier):
    def __init__(self) -> None:
        self.dialled: list[DialOrder] = []
        self.hung_up: list[DialOrder] = []
        self.on_dial: Callable[[DialOrder], Accepted] = self.accept
        self.on_fetch: Callable[[DialOrder], Snapshot | None] = lambda order: None

    def dial(self, order: DialOrder) -> Accepted:
        self.dialled.append(order)
        return self.on_dial(order)

    def fetch(self, order: DialOrder) -> Snapshot | None:
        return self.on_fetch(order)

    def hang_up(self, order: DialOrder) -> None:
        self.hung_up.append(order)

    def accept(self, order: DialOrder) -> Accepted:
        return Accepted(carrier_id="c-1", look_at=timezone.now() + timedelta(seconds=5))


def says(*stages: tuple[float, DialStatus]) -> Callable[[DialOrder], Snapshot]:
    """A story: seconds after the ask, and what the dial is from then on."""

    def fetch(order: DialOrder) -> Snapshot:
        now = timezone.now()
        reports = [Report(status, order.asked_at + timedelta(seconds=at)) for at, status in stages]
        return Snapshot(
            reports=tuple(report for report in reports if report.at <= now),
            look_at=now + timedelta(seconds=1),
        )

    return fetch
