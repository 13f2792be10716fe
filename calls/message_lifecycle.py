"""The only place where a message's status changes: forward, once, with its events and its bill.

Whatever order a carrier's reports come in, and however often, a message moves along
queued < sending < sent < delivered or failed, and out of these two it never moves. It is paid for
when it was sent, and only then. Each step settles credits and publishes events in one transaction
under a lock on the message.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction

from agents.credits import settle
from calls.carriers.base import HeardOfMessage
from calls.message_serializers import message_data
from calls.models import Message, MessageStatus
from calls.reports import MessageReport
from webhooks.events import SMS_DELIVERED, SMS_FAILED, SMS_SENT
from webhooks.services import publish

log = structlog.get_logger(__name__)

# Where the answer to an ask was lost: how long the carrier is asked whether it has the message.
RECONCILED_FOR = timedelta(minutes=1)
# How long a carrier that has a message is asked what became of it; phones are off for days.
FOLLOWED_FOR = timedelta(days=3)
ORDER = {
    MessageStatus.QUEUED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.SENT: 2,
    MessageStatus.DELIVERED: 3,
    MessageStatus.FAILED: 3,
}
EVENTS = {
    MessageStatus.SENT: SMS_SENT,
    MessageStatus.DELIVERED: SMS_DELIVERED,
    MessageStatus.FAILED: SMS_FAILED,
}
# The columns of a message that a report may move.
MOVED = ["status", "reason", "cost", "reserved", "asked_at", "sent_at", "ended_at", "due_at"]
MOVED += ["deadline_at", "events_published"]


def begin_ask(message: Message, *, now: datetime) -> None:
    """Mark `message`, which its carrier does not hold, as asked for. It must be saved before."""
    message.status = MessageStatus.SENDING
    message.asked_at = now
    message.asks += 1
    message.deadline_at = now + RECONCILED_FOR


def apply(*, message_id: UUID, report: MessageReport) -> bool:
    """Take one report of a carrier; False when it says nothing new.

    Idempotent and order-proof: that it was sent is inferred from a delivery, and nothing moves a
    message backwards or out of its end.
    """
    with transaction.atomic():
        message = _locked(message_id)
        steps = _steps(message, report)
        for step in steps:
            _take(message, step)
    return bool(steps)


def hear(*, message_id: UUID, heard: HeardOfMessage) -> None:
    """Take what a callback said: reports, and the carrier's own id."""
    keep_carrier_id(heard.carrier_id, message_id=message_id)
    for report in heard.reports:
        apply(message_id=message_id, report=report)


def keep_carrier_id(carrier_id: str, *, message_id: UUID) -> None:
    """Keep what the carrier calls the message; the first that it said stands."""
    if carrier_id:
        Message.objects.filter(id=message_id, carrier_id="").update(carrier_id=carrier_id)


def give_up(*, message_id: UUID, token: UUID | None, reason: str, now: datetime) -> None:
    """Nothing more is expected of the carrier: what was sent stays so, what was not has failed.

    Nothing happens where `token` is not the lease any more.
    """
    with transaction.atomic():
        message = _locked(message_id)
        if message.lease_token != token or message.is_terminal:
            return
        if message.status == MessageStatus.SENT:
            message.due_at = None
            message.save(update_fields=["due_at"])
        else:
            _take(message, MessageReport(MessageStatus.FAILED, at=now, reason=reason))


def give_up_unasked(message_id: UUID, *, reason: str, now: datetime) -> None:
    """A message that no carrier was asked to send is not sent any more."""
    with transaction.atomic():
        message = _locked(message_id)
        if message.asked_at is None and not message.is_terminal:
            _take(message, MessageReport(MessageStatus.FAILED, at=now, reason=reason))


def _locked(message_id: UUID) -> Message:
    messages = Message.objects.select_for_update(of=("self",)).select_related("agent")
    return messages.get(id=message_id)


def _steps(message: Message, report: MessageReport) -> list[MessageReport]:
    here = ORDER[MessageStatus(message.status)]
    if ORDER[report.status] <= here:
        return []
    was_sent = report.status == MessageStatus.DELIVERED or report.sent_at
    if was_sent and ORDER[report.status] > ORDER[MessageStatus.SENT] > here:
        return [MessageReport(MessageStatus.SENT, at=report.sent_at or report.at), report]
    return [report]


def _take(message: Message, report: MessageReport) -> None:
    message.status = report.status
    # Whoever reports holds it: it must not be asked again, and is worth following.
    message.asked_at = message.asked_at or report.at
    message.deadline_at = message.asked_at + FOLLOWED_FOR
    if report.status == MessageStatus.SENT:
        message.sent_at = report.at
        _settle(message, cost=message.reserved)
    elif message.is_terminal:
        _end(message, report)
    _publish(message)
    message.save(update_fields=MOVED)
    log.info("message_moved", message=message.native_id, status=report.status, reason=report.reason)


def _end(message: Message, report: MessageReport) -> None:
    # A carrier's clock may put the end before the sending.
    message.ended_at = max(report.at, message.sent_at or report.at)
    message.reason = report.reason
    message.due_at = None
    if not message.sent_at:
        _settle(message, cost=Decimal(0))


def _settle(message: Message, *, cost: Decimal) -> None:
    if message.reserved:
        settle(message.account_id, reserved=message.reserved, cost=cost, subject=message)
    message.cost = cost
    message.reserved = Decimal(0)


def _publish(message: Message) -> None:
    type = EVENTS.get(MessageStatus(message.status))
    if not type:
        return
    message.events_published += 1
    data = {**message_data(message), "sequence": message.events_published}
    publish(type, agent=message.agent, data=data)
