"""The simulated carrier: no phone rings, the callee's last four digits choose what happens.

The script of a dial or message is a pure function of its number and the time since it was asked
for, so whoever asks, and however often, hears the same story: this carrier needs no memory to be
reconciled with.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from calls.carriers.base import (
    Accepted,
    Carrier,
    CarrierError,
    CarrierUncertain,
    DialOrder,
    MessageOrder,
)
from calls.models import DialStatus, MessageStatus
from calls.reports import MessageReport, MessageSnapshot, Report, Snapshot
from core.errors import InsufficientCredits

# What happens how many seconds after the ask.
Script = tuple[tuple[float, DialStatus], ...]
MessageScript = tuple[tuple[float, MessageStatus], ...]

ANSWERED: Script = (
    (0.5, DialStatus.RINGING),
    (2.0, DialStatus.IN_PROGRESS),
    (5.0, DialStatus.COMPLETED),
)
BUSY: Script = ((1.0, DialStatus.BUSY),)
VOICEMAIL: Script = (
    (0.5, DialStatus.RINGING),
    (2.0, DialStatus.IN_PROGRESS),
    (4.0, DialStatus.VOICEMAIL),
)
REJECTED: Script = ((0.0, DialStatus.FAILED),)
SILENT: Script = ()
DELIVERED: MessageScript = ((0.3, MessageStatus.SENT), (1.5, MessageStatus.DELIVERED))
NEVER_DELIVERED: MessageScript = ((0.3, MessageStatus.SENT),)
UNSENT: MessageScript = ((0.0, MessageStatus.FAILED),)
NO_ANSWER_AFTER_SECONDS = 6.0
NOTHING_MORE = timedelta(days=1)


class SimulatedCarrier(Carrier):
    def dial(self, order: DialOrder) -> Accepted:
        _answer(order.to_number, ask=order.ask)
        return Accepted(carrier_id=f"sim-{order.dial_id.hex}", look_at=_next(order, timezone.now()))

    def fetch(self, order: DialOrder) -> Snapshot | None:
        last = order.to_number[-4:]
        if last == "0107" and order.ask == 1:
            return None
        now = timezone.now()
        so_far = [report for report in _reports(order) if report.at <= now]
        if last == "0106":
            so_far = [*reversed(so_far), *so_far]
        return Snapshot(reports=tuple(so_far), look_at=_next(order, now))

    def hang_up(self, order: DialOrder) -> None:
        """Nothing rings here."""

    def send_sms(self, order: MessageOrder) -> Accepted:
        _answer(order.to_number, ask=order.ask)
        return Accepted(
            carrier_id=f"sim-{order.message_id.hex}",
            look_at=_next_of_message(order, timezone.now()),
        )

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        if order.to_number.endswith("0107") and order.ask == 1:
            return None
        now = timezone.now()
        so_far = tuple(report for report in _message_reports(order) if report.at <= now)
        return MessageSnapshot(reports=so_far, look_at=_next_of_message(order, now))


def rehearse_acceptance(to_number: str) -> None:
    """Fail a request as its number asks: 0109 cannot be recorded, 0110 is out of credits."""
    if to_number.endswith("0109"):
        raise RuntimeError("The simulated number 0109: this cannot be recorded")
    if to_number.endswith("0110"):
        raise InsufficientCredits


def _answer(to_number: str, *, ask: int) -> None:
    """Fail an order, of either kind, as its number asks."""
    last = to_number[-4:]
    if last == "0104":
        raise CarrierError("The callee's network rejects it", permanent=True, reason="rejected")
    if last == "0107" and ask == 1:
        raise CarrierError("Try again", permanent=False, reason="carrier_busy")
    if last == "0108":
        raise CarrierUncertain("The answer was lost")


def _reports(order: DialOrder) -> list[Report]:
    reason = "rejected" if order.to_number.endswith("0104") else ""
    return [
        Report(status=status, at=order.asked_at + timedelta(seconds=seconds), reason=reason)
        for seconds, status in _script(order)
    ]


def _next(order: DialOrder, now: datetime) -> datetime:
    coming = [report.at for report in _reports(order) if report.at > now]
    return min(coming, default=now + NOTHING_MORE)


def _script(order: DialOrder) -> Script:
    no_answer = min(order.ring_timeout, NO_ANSWER_AFTER_SECONDS)
    scripts: dict[str, Script] = {
        "0101": BUSY,
        "0102": ((0.5, DialStatus.RINGING), (no_answer, DialStatus.NO_ANSWER)),
        "0103": VOICEMAIL,
        "0104": REJECTED,
        "0105": SILENT,
    }
    return scripts.get(order.to_number[-4:], ANSWERED)


def _message_reports(order: MessageOrder) -> list[MessageReport]:
    last = order.to_number[-4:]
    script = {"0104": UNSENT, "0105": NEVER_DELIVERED}.get(last, DELIVERED)
    reason = "rejected" if last == "0104" else ""
    return [
        MessageReport(status=status, at=order.asked_at + timedelta(seconds=seconds), reason=reason)
        for seconds, status in script
    ]


def _next_of_message(order: MessageOrder, now: datetime) -> datetime:
    coming = [report.at for report in _message_reports(order) if report.at > now]
    return min(coming, default=now + NOTHING_MORE)
