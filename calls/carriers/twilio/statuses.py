"""What Twilio says of a call or a message, as reports.

https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils import timezone

from calls.carriers.twilio.reasons import ERRORS, SIP, Ending
from calls.models import DialStatus, MessageStatus
from calls.reports import MessageReport, Report

STATUSES = {
    "queued": DialStatus.DIALING,
    "initiated": DialStatus.DIALING,
    "ringing": DialStatus.RINGING,
    "in-progress": DialStatus.IN_PROGRESS,
    "completed": DialStatus.COMPLETED,
    "busy": DialStatus.BUSY,
    "no-answer": DialStatus.NO_ANSWER,
    "failed": DialStatus.FAILED,
    "canceled": DialStatus.CANCELED,
}
# Of seconds or milliseconds; what is more is no length of a call, and fits into no time.
LONGEST = 10**9
UNHAPPY = (DialStatus.BUSY, DialStatus.NO_ANSWER, DialStatus.FAILED)
MESSAGE_STATUSES = {
    "accepted": MessageStatus.SENDING,
    "scheduled": MessageStatus.SENDING,
    "queued": MessageStatus.SENDING,
    "sending": MessageStatus.SENDING,
    "sent": MessageStatus.SENT,
    "partially_delivered": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.FAILED,
    "failed": MessageStatus.FAILED,
    "canceled": MessageStatus.FAILED,
}


def told_of_call(fields: Mapping[str, str], *, since: datetime) -> tuple[Report, ...]:
    """What a callback's CallStatus says of a dial that was asked for at `since`."""
    return _reports(
        fields.get("CallStatus", ""),
        at=_moment(fields.get("Timestamp"), since=since),
        seconds=_number(fields.get("CallDuration")),
        answered_by=fields.get("AnsweredBy"),
        sip=_number(fields.get("SipResponseCode")),
        error=_number(fields.get("ErrorCode")),
    )


def told_of_answer(fields: Mapping[str, str], *, since: datetime) -> tuple[Report, ...]:
    """What machine detection found out, so many milliseconds after the answer."""
    waited = timedelta(milliseconds=_number(fields.get("MachineDetectionDuration")) or 0)
    report = Report(
        status=DialStatus.IN_PROGRESS,
        at=max(timezone.now() - waited, since),
        answered_by=_answered_by(fields.get("AnsweredBy")),
    )
    return (report,)


def seen_of_call(call: Mapping[str, str | None], *, since: datetime) -> tuple[Report, ...]:
    """What the call resource says of a dial that was asked for at `since`.

    It does not say when a call that goes on was answered, so that counts from now.
    """
    return _reports(
        call.get("status") or "",
        at=_moment(call.get("end_time"), since=since),
        seconds=_number(call.get("duration")),
        answered_by=call.get("answered_by"),
    )


def told_of_message(status: str, *, error: object) -> tuple[MessageReport, ...]:
    """What a callback or the message resource says by its status and error code."""
    known = MESSAGE_STATUSES.get(status)
    if known is None:
        return ()
    reason = ""
    if known == MessageStatus.FAILED:
        reason = ERRORS.get(_number(error) or 0, "carrier_failed")
    now = timezone.now()
    # Twilio gave it to a network, and bills it.
    sent_at = now if status == "undelivered" else None
    return (MessageReport(status=known, at=now, reason=reason, sent_at=sent_at),)


def _reports(
    said: str,
    *,
    at: datetime,
    seconds: int | None,
    answered_by: str | None,
    sip: int | None = None,
    error: int | None = None,
) -> tuple[Report, ...]:
    status = STATUSES.get(said)
    if status is None:
        return ()
    status, reason = _ending(status, sip=sip, error=error)
    answered_at = at - timedelta(seconds=seconds or 0)
    report = Report(
        status=status,
        at=at,
        reason=reason,
        answered_at=answered_at if status == DialStatus.COMPLETED else None,
        answered_by=_answered_by(answered_by),
    )
    return (report,)


def _ending(status: DialStatus, *, sip: int | None, error: int | None) -> Ending:
    """The status with a reason, where a number says more than Twilio's word does."""
    if status not in UNHAPPY:
        return status, ""
    if sip in SIP:
        return SIP[sip]
    reason = ERRORS.get(error or 0, "")
    if status == DialStatus.FAILED:
        reason = reason or "carrier_failed"
    return status, reason


def _answered_by(said: str | None) -> str:
    if said == "human":
        return "human"
    return "machine" if said and (said.startswith("machine") or said == "fax") else ""


def _moment(text: str | None, *, since: datetime) -> datetime:
    """An RFC 2822 time, which has whole seconds, so it may lie just before what it follows."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return timezone.now()
    if moment.tzinfo is None:
        return timezone.now()
    return max(moment, since)


def _number(text: object) -> int | None:
    try:
        number = int(str(text))
    except ValueError:
        return None
    return number if 0 <= number <= LONGEST else None
