"""What needs the operator: the incidents that are open, and what no rule could tell of."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from core import heartbeat
from core.admin import seconds
from operations import rollups
from operations.alerts import KINDS, Kind
from operations.figures import Accounts, of_accounts
from operations.findings import Finding, Scene
from operations.models import AlertRule, Incident, Notice

LATE_FIGURES = timedelta(minutes=2)
EACH_KIND = 4
# Whatever there is more of is said to be more.
MOST_INCIDENTS = 1000
# Notices that could not be sent are of interest for as long.
UNSENT_FOR = timedelta(days=2)

May = Callable[[str], bool]


@dataclass(frozen=True)
class Item:
    """One thing to mend. `link` leads to the page where that is done, in the words of `button`."""

    title: str
    text: str
    link: str
    button: str
    icon: str
    is_urgent: bool = False


def needs_attention(*, accounts: Accounts, now: datetime, may: May) -> list[Item]:
    """What the operator may see of it, the urgent first. `may` knows their permissions."""
    items = [*open_incidents(accounts, may=may)]
    if accounts is None:
        items += unsent_notices(now) if may("operations.view_incident") else []
    else:
        items += own_share(accounts, now=now, may=may)
    if may("calls.view_call"):
        items += silent_workers(now)
    return sorted(items, key=lambda item: not item.is_urgent)


def silent_workers(now: datetime) -> Iterable[Item]:
    """Without a worker nobody checks rules either, so this is looked at when the page is."""
    try:
        is_heard = heartbeat.last_heard() is not None
    except Exception:
        yield Item(
            title="The cache does not answer",
            text="Without it nobody knows whether workers run. Check that Redis is up.",
            link="/readyz",
            button="See what is ready",
            icon="cloud_off",
            is_urgent=True,
        )
        return
    if not is_heard:
        yield Item(
            title="No worker has been heard from for a minute",
            text="Calls and webhooks wait, and no alert is checked or sent. Start a worker and the "
            "beat: make worker, make beat.",
            link="/readyz",
            button="See what is ready",
            icon="heart_broken",
            is_urgent=True,
        )
        return
    lag = rollups.lag(now=now)
    if lag is None or lag > LATE_FIGURES:
        since = f"for {seconds(lag.total_seconds())}" if lag else "yet"
        yield Item(
            title="The figures are behind",
            text=f"No worker has added up calls and deliveries {since}. Calls go on meanwhile.",
            link="/readyz",
            button="See what is ready",
            icon="update",
        )


def open_incidents(accounts: Accounts, *, may: May) -> Iterable[Item]:
    """The newest of each kind, and how many more there are."""
    kinds = [kind.name for kind in KINDS.values() if may(kind.permission)]
    mine = of_accounts(Incident.objects.open().filter(rule__in=kinds), accounts)
    shown: Counter[str] = Counter()
    for incident in mine[:MOST_INCIDENTS]:
        shown[incident.rule_id] += 1
        if shown[incident.rule_id] <= EACH_KIND:
            yield _item(KINDS[incident.rule_id], incident)
    for name, count in shown.items():
        if count > EACH_KIND:
            yield _more(KINDS[name], count=count - EACH_KIND)


def own_share(accounts: Accounts, *, now: datetime, may: May) -> Iterable[Item]:
    """What concerns the whole server, as far as it shows in the figures of these accounts: an
    incident of the server's would give away those of others."""
    names = [kind.name for kind in KINDS.values() if kind.is_of_server and may(kind.permission)]
    for rule in AlertRule.objects.filter(kind__in=names, is_on=True):
        kind = KINDS[rule.kind]
        scene = Scene(accounts=accounts, now=now, threshold=rule.threshold or Scene.threshold)
        for finding in kind.find(scene):
            yield _item(kind, finding)


def unsent_notices(now: datetime) -> Iterable[Item]:
    failed = Notice.objects.filter(status=Notice.Status.FAILED, ended_at__gt=now - UNSENT_FOR)
    if count := failed.count():
        yield Item(
            title=f"{count:,} notice{'' if count == 1 else 's'} of alerts could not be sent",
            text="It was tried for a day. Check EMAIL_URL, ALERT_EMAILS and OPERATOR_WEBHOOK_URL.",
            link=reverse("admin:operations_alertrule_changelist"),
            button="See why",
            icon="notifications_off",
            is_urgent=True,
        )


def _item(kind: Kind, what: Incident | Finding) -> Item:
    return Item(
        title=what.title,
        text=what.text,
        link=what.link,
        button=kind.button,
        icon=kind.icon,
        is_urgent=what.is_urgent,
    )


def _more(kind: Kind, *, count: int) -> Item:
    listed = reverse("admin:operations_incident_changelist")
    return Item(
        title=f"{kind.title}: {count:,} more",
        text="Those above are the newest.",
        link=f"{listed}?state=open&alert={kind.name}",
        button="See all of them",
        icon=kind.icon,
    )
