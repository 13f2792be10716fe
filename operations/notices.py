"""Notices: what is told of incidents, written down in the transaction that opens or ends them.

A mail tells of all that one check found of a kind, so that a carrier's failure which takes a
hundred agents with it is one mail; a webhook tells of each incident alone, for programs.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from core.admin import at, seconds
from core.ids import native_id, new_id
from core.times import rfc3339
from operations.alerts import Kind
from operations.models import Incident, Notice
from webhooks.payloads import native_body

Channel = Notice.Channel
Tells = Notice.Tells

TOLD_IN_A_MAIL = 50
HEADLINE_LENGTH = 250
WORDS = {Tells.OPENED: "Alert", Tells.RESOLVED: "Over"}
TEST_TEXT = "This is a test. Nothing is wrong; whoever reads this would be told if it were."


def recipients() -> dict[str, str]:
    """Who is told over each channel that is set up."""
    told = {
        Channel.EMAIL: ", ".join(settings.ALERT_EMAILS),
        Channel.WEBHOOK: urlsplit(settings.OPERATOR_WEBHOOK_URL).hostname or "",
    }
    return {channel.value: recipient for channel, recipient in told.items() if recipient}


def write_notices(
    kind: Kind, *, tells: Tells, incidents: Sequence[Incident], now: datetime
) -> None:
    """What is told of incidents of one kind that opened, or are over, at the same moment."""
    if not incidents:
        return
    told = recipients()
    if Channel.EMAIL in told:
        _write_mail(kind, tells=tells, incidents=incidents, recipient=told[Channel.EMAIL], now=now)
    if Channel.WEBHOOK in told:
        for one in incidents:
            _write_post(one, tells=tells, recipient=told[Channel.WEBHOOK], now=now)


def write_tests(*, now: datetime) -> list[Notice]:
    """A notice over each channel, for an operator who wants to see that they arrive."""
    return [
        _write(
            channel,
            Tells.TEST,
            id=(id := new_id()),
            recipient=recipient,
            headline="[Outdial] Test of the alerts",
            body=TEST_TEXT + "\n" if channel == Channel.EMAIL else _body("alert.test", id, now=now),
            now=now,
        )
        for channel, recipient in recipients().items()
    ]


def _write_mail(
    kind: Kind, *, tells: Tells, incidents: Sequence[Incident], recipient: str, now: datetime
) -> None:
    several = f"{kind.title} ({len(incidents)})"
    subject = incidents[0].title if len(incidents) == 1 else several
    notice = _write(
        Channel.EMAIL,
        tells,
        id=new_id(),
        recipient=recipient,
        headline=f"[Outdial] {WORDS[tells]}: {subject}",
        body=_mail(kind, tells=tells, incidents=incidents),
        now=now,
    )
    notice.incidents.set(incidents)


def _write_post(incident: Incident, *, tells: Tells, recipient: str, now: datetime) -> None:
    id = new_id()
    notice = _write(
        Channel.WEBHOOK,
        tells,
        id=id,
        recipient=recipient,
        headline=f"alert.{tells.value}: {incident.title}",
        body=_body(f"alert.{tells.value}", id, now=now, data=_data(incident)),
        now=now,
    )
    notice.incidents.set([incident])


def _write(
    channel: str, tells: Tells, *, id: UUID, recipient: str, headline: str, body: str, now: datetime
) -> Notice:
    return Notice.objects.create(
        id=id,
        channel=channel,
        tells=tells,
        recipient=recipient,
        headline=headline[:HEADLINE_LENGTH],
        body=body,
        next_attempt_at=now,
        created_at=now,
    )


# What they say ------------------------------------------------------------------------------------


def _body(type: str, id: UUID, *, now: datetime, data: dict[str, object] | None = None) -> str:
    return native_body(type=type, data=data or {"text": TEST_TEXT}, event_id=id, created_at=now)


def _data(incident: Incident) -> dict[str, object]:
    return {
        "incidentId": incident.native_id,
        "alert": incident.rule_id,
        "subject": incident.subject,
        "accountId": incident.account_id and str(incident.account_id),
        "title": incident.title,
        "text": incident.text,
        "urgent": incident.is_urgent,
        "url": address_of(incident),
        "openedAt": incident.opened_at and rfc3339(incident.opened_at),
        "resolvedAt": incident.resolved_at and rfc3339(incident.resolved_at),
    }


def _mail(kind: Kind, *, tells: Tells, incidents: Sequence[Incident]) -> str:
    parts = [_paragraph(one) for one in incidents[:TOLD_IN_A_MAIL]]
    if more := len(incidents) - TOLD_IN_A_MAIL:
        parts += [f"And {more:,} more."] if more > 0 else []
    if tells == Tells.OPENED:
        parts.append(f"What to do: {kind.advice}")
    return "\n\n".join(parts) + "\n"


def _paragraph(incident: Incident) -> str:
    lines = [incident.title, incident.text, f"Since {at(incident.opened_at)} UTC."]
    if incident.lasted:
        lines = [incident.title, f"Over after {seconds(incident.lasted.total_seconds())}."]
    return "\n".join([*lines, address_of(incident)])


def address_of(incident: Incident) -> str:
    return f"{settings.BASE_URL}{incident.link}"


def message_id(notice: Notice) -> str:
    """The id by which a receiver tells a notice that came twice."""
    return native_id("evt", notice.id)
