"""Incidents: opened once what a rule found has lasted, over once it has been gone as long.

Any number of workers may check at the same moment: who has a rule's row is alone with its
incidents, and opens them, and writes what is told of them, in one transaction.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from operations.alerts import KINDS, Kind
from operations.findings import Finding, Scene
from operations.models import AlertRule, Incident, Notice
from operations.notices import write_notices

log = structlog.get_logger(__name__)

KEPT = timedelta(days=180)
TITLE_LENGTH = 200


def check(*, now: datetime) -> None:
    """Look for every kind of trouble, and open and resolve incidents by what is found."""
    for kind in KINDS.values():
        try:
            _check(kind, now=now)
        except Exception:
            # One question that cannot be answered must not silence the others.
            log.exception("alert_not_checked", kind=kind.name)


def forget_incidents(*, now: datetime) -> None:
    """Delete incidents that were over long ago, and what was told of them."""
    Incident.objects.filter(resolved_at__lt=now - KEPT).delete()
    told = Notice.objects.filter(ended_at__lt=now - KEPT)
    told.exclude(incidents__in=Incident.objects.standing()).delete()


@transaction.atomic
def _check(kind: Kind, *, now: datetime) -> None:
    rules = AlertRule.objects.select_for_update(skip_locked=True, no_key=True)
    rule = rules.filter(kind=kind.name).first()
    if rule is None:
        return  # another worker is at it
    standing = {one.subject: one for one in Incident.objects.standing().filter(rule=rule)}
    found = {one.subject: one for one in _find(kind, rule, now=now)}
    opened = list(_see(rule, found, standing, now=now))
    resolved = list(_miss(rule, found, standing, now=now))
    write_notices(kind, tells=Notice.Tells.OPENED, incidents=opened, now=now)
    if (
        rule.is_on
    ):  # whoever turns it off knows; that the trouble is over would be no news but a lie
        write_notices(kind, tells=Notice.Tells.RESOLVED, incidents=resolved, now=now)


def _find(kind: Kind, rule: AlertRule, *, now: datetime) -> Iterable[Finding]:
    if not rule.is_on:
        return ()
    return kind.find(Scene(accounts=None, now=now, threshold=rule.threshold or Scene.threshold))


def _see(
    rule: AlertRule,
    found: Mapping[str, Finding],
    standing: Mapping[str, Incident],
    *,
    now: datetime,
) -> Iterable[Incident]:
    """Write down what was found; those that have lasted long enough by now are the answer."""
    for subject, finding in found.items():
        known = standing.get(subject)
        incident = known or Incident(rule=rule, subject=subject, seen_at=now)
        before = _written(incident)
        _describe(incident, finding)
        incident.gone_since = None
        opens = incident.opened_at is None and now - incident.seen_at >= rule.hold
        if opens:
            incident.opened_at = now
        if known is None or before != _written(incident):
            incident.save(force_insert=known is None)
        if opens:
            yield incident


def _miss(
    rule: AlertRule,
    found: Mapping[str, Finding],
    standing: Mapping[str, Incident],
    *,
    now: datetime,
) -> Iterable[Incident]:
    """What is not found any more; those that have been gone long enough are the answer."""
    for subject, incident in standing.items():
        if subject in found:
            continue
        if incident.opened_at is None:
            incident.delete()
            continue
        incident.gone_since = incident.gone_since or now
        is_over = not rule.is_on or now - incident.gone_since >= rule.hold
        if is_over:
            incident.resolved_at = now
        incident.save(update_fields=["gone_since", "resolved_at"])
        if is_over:
            yield incident


def _describe(incident: Incident, finding: Finding) -> None:
    # Names come from clients too: a line break would be one in a mail's head.
    incident.title = " ".join(finding.title.split())[:TITLE_LENGTH]
    incident.text, incident.link = finding.text, finding.link
    incident.account_id, incident.is_urgent = finding.account_id, finding.is_urgent


def _written(incident: Incident) -> tuple[object, ...]:
    return (
        incident.title,
        incident.text,
        incident.link,
        incident.is_urgent,
        incident.gone_since,
        incident.opened_at,
    )
