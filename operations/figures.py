"""The figures of the dashboard: from rollups and from counts that an index bounds, never a history.

`accounts` is whose figures: the ids of the accounts that an operator sees, None for all of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Min, Model, OuterRef, Q, QuerySet, Subquery, Sum

from agents.models import Account, ApiKey, Mode
from calls.models import ACTIVE, ANSWERED, Call, Status
from core.histogram import percentile
from operations.by_account import ATTEMPTS, CALLS, ByAccount
from operations.models import ApiUsage
from operations.spans import Slot, Span, begin_of
from webhooks.models import Delivery, Subscription

Accounts = Sequence[UUID] | None
Row = TypeVar("Row", bound=Model)

# Whatever there is more of is said to be more.
COUNTED_TO = 10_000
ACCOUNTS_SHOWN = 6
OUTCOMES = ("completed", "voicemail", "busy", "no_answer", "failed", "canceled")
DAY = timedelta(days=1)


def of_accounts(rows: QuerySet[Row], accounts: Accounts, *, by: str = "account") -> QuerySet[Row]:
    """Those of `rows` that belong to the accounts, which they name by the path `by`.

    All that the dashboard reads goes through here.
    """
    return rows if accounts is None else rows.filter(**{f"{by}__in": accounts})


@dataclass(frozen=True)
class Period:
    """What is looked back at, in slots of so many seconds, from rollups of one span."""

    name: str
    words: str
    span: Span
    slot: Slot
    slots: int

    def starts(self, *, now: datetime) -> list[datetime]:
        """When each slot begins, the one that is under way last."""
        last = begin_of(now, self.slot)
        return [last - timedelta(seconds=self.slot * back) for back in reversed(range(self.slots))]


PERIODS = {
    period.name: period
    for period in (
        Period("hour", "the last hour", Span.FIVE_MINUTES, slot=Slot.FIVE_MINUTES, slots=12),
        Period("day", "the last 24 hours", Span.HOUR, slot=Slot.HOUR, slots=24),
        Period("week", "the last 7 days", Span.HOUR, slot=Slot.QUARTER_DAY, slots=28),
        Period("month", "the last 30 days", Span.DAY, slot=Slot.DAY, slots=30),
    )
}


@dataclass(frozen=True)
class CallFigures:
    """Calls that ended, by outcome: in all, and in each slot."""

    by_outcome: dict[str, int]
    in_slots: dict[str, list[int]]
    tests: int

    @property
    def ended(self) -> int:
        return sum(self.by_outcome.values())

    @property
    def dialled(self) -> int:
        return self.ended - self.by_outcome["canceled"]

    @property
    def answer_rate(self) -> float | None:
        """Answered by a person or a machine, of those that were not canceled."""
        answered = sum(self.by_outcome[outcome] for outcome in ANSWERED)
        return answered / self.dialled if self.dialled else None


@dataclass(frozen=True)
class Traffic:
    """Requests or attempts: in all and in each slot. Durations are seconds."""

    total: int
    failed: int
    in_slots: list[int]
    failed_in_slots: list[int]
    p50: float | None
    p95: float | None
    server_errors: int = 0
    limit_hits: int = 0
    limited_in_slots: Sequence[int] = ()

    @property
    def failure_rate(self) -> float | None:
        return self.failed / self.total if self.total else None


@dataclass(frozen=True)
class Now:
    """Calls at this moment; each is at most one more than COUNTED_TO."""

    live: int
    queued: int
    scheduled: int


@dataclass(frozen=True)
class Backlog:
    """Deliveries that wait, at most one more than COUNTED_TO, and since when the first is due."""

    waiting: int
    due_since: datetime | None


@dataclass(frozen=True)
class Balance:
    """What an account may spend, and what it spent on calls in a day."""

    account: Account
    credits: Decimal
    spent: Decimal


def calls_ended(period: Period, *, accounts: Accounts, now: datetime) -> CallFigures:
    starts = period.starts(now=now)
    ended = _by_account(CALLS, period, accounts=accounts)
    rows = (
        ended.filter(at__gte=starts[0])
        .values("at", "outcome")
        .annotate(ended=Sum("calls"), tests=Sum("calls", filter=Q(mode=Mode.TEST), default=0))
    )
    slots: dict[str, Counter[datetime]] = {outcome: Counter() for outcome in OUTCOMES}
    tests = 0
    for row in rows:
        slots[row["outcome"]][begin_of(row["at"], period.slot)] += row["ended"]
        tests += row["tests"]
    return CallFigures(
        by_outcome={outcome: sum(counts.values()) for outcome, counts in slots.items()},
        in_slots={outcome: [counts[at] for at in starts] for outcome, counts in slots.items()},
        tests=tests,
    )


def api_traffic(
    period: Period, *, accounts: Accounts, now: datetime, without_tests: bool = False
) -> Traffic:
    usage = of_accounts(ApiUsage.objects.all(), accounts, by="api_key__account")
    if without_tests:
        usage = usage.exclude(api_key__mode=Mode.TEST)
    return _requests(usage, period, now=now)


def key_traffic(key: ApiKey, period: Period, *, now: datetime) -> Traffic:
    return _requests(ApiUsage.objects.filter(api_key=key), period, now=now)


def _requests(usage: QuerySet[ApiUsage], period: Period, *, now: datetime) -> Traffic:
    return _traffic(
        usage.filter(span=period.span),
        period,
        now=now,
        total=Sum("requests"),
        failed=Sum("client_errors") + Sum("server_errors"),
        server_errors=Sum("server_errors"),
        limit_hits=Sum("limit_hits"),
    )


def attempts_made(period: Period, *, accounts: Accounts, now: datetime) -> Traffic:
    attempts = _by_account(ATTEMPTS, period, accounts=accounts)
    return _traffic(attempts, period, now=now, total=Sum("attempts"), failed=Sum("failures"))


def _traffic(rows: QuerySet[Any], period: Period, *, now: datetime, **sums: Any) -> Traffic:
    starts = period.starts(now=now)
    counted = rows.filter(at__gte=starts[0]).values("at", "took").annotate(**sums)
    durations: Counter[int] = Counter()
    slots: dict[str, Counter[datetime]] = defaultdict(Counter)
    for row in counted:
        durations[row["took"]] += row["total"]
        for name in sums:
            slots[name][begin_of(row["at"], period.slot)] += row[name]
    return Traffic(
        **{name: sum(slots[name].values()) for name in sums},
        in_slots=[slots["total"][at] for at in starts],
        failed_in_slots=[slots["failed"][at] for at in starts],
        limited_in_slots=[slots["limit_hits"][at] for at in starts],
        p50=percentile(durations, 50),
        p95=percentile(durations, 95),
    )


def calls_now(*, accounts: Accounts) -> Now:
    calls = of_accounts(Call.objects.all(), accounts)
    return Now(
        live=_counted(calls.filter(status__in=ACTIVE)),
        queued=_counted(calls.filter(status=Status.QUEUED)),
        scheduled=_counted(calls.filter(status=Status.SCHEDULED)),
    )


def backlog(*, accounts: Accounts, now: datetime) -> Backlog:
    pending = of_accounts(
        Delivery.objects.filter(status=Delivery.Status.PENDING),
        accounts,
        by="subscription__account",
    )
    first = pending.aggregate(at=Min("next_attempt_at"))["at"]
    return Backlog(waiting=_counted(pending), due_since=first if first and first <= now else None)


def lowest_balances(*, accounts: Accounts, now: datetime) -> list[Balance]:
    """Accounts whose credits are counted, the poorest first."""
    counted = of_accounts(Account.objects.filter(credits__isnull=False), accounts, by="id")
    poorest = list(counted.order_by("credits", "name")[:ACCOUNTS_SHOWN])
    return _balances(poorest, spent=_spent([one.id for one in poorest], now=now))


def poor_accounts(*, few: Decimal, accounts: Accounts, now: datetime) -> list[Balance]:
    """Accounts with fewer credits than `few`, or than they spent in a day; the poorest first."""
    spent = _spent(accounts, now=now)
    is_poor = Q(credits__lt=few) | Q(id__in=list(spent))
    counted = of_accounts(Account.objects.filter(is_poor, credits__isnull=False), accounts, by="id")
    balances = _balances(counted.order_by("credits", "name"), spent=spent)
    return [one for one in balances if one.credits < max(few, one.spent)]


def overdue_since(*, accounts: Accounts, now: datetime) -> tuple[datetime | None, int]:
    """Since when the first delivery is due to an endpoint that is well, and at how many of these
    one is. What waits for an endpoint that fails, or is limited, does not wait for workers."""
    due = Delivery.objects.due(now=now).filter(subscription=OuterRef("id"))
    times = due.order_by("next_attempt_at").values("next_attempt_at")
    well = of_accounts(Subscription.objects.open(now=now).takes_shares(), accounts)
    # One look into the index of each lane, for each endpoint.
    lanes = well.order_by().annotate(
        fresh=Subquery(times.filter(attempts=0)[:1]),
        again=Subquery(times.filter(attempts__gt=0)[:1]),
    )
    waiting = lanes.filter(Q(fresh__isnull=False) | Q(again__isnull=False))
    dues = [min(due for due in row if due) for row in waiting.values_list("fresh", "again")]
    return min(dues, default=None), len(dues)


def _balances(accounts: Iterable[Account], *, spent: Mapping[UUID, Decimal]) -> list[Balance]:
    return [
        Balance(account=one, credits=one.credits or Decimal(0), spent=spent.get(one.id, Decimal(0)))
        for one in accounts
    ]


def _spent(accounts: Accounts, *, now: datetime) -> dict[UUID, Decimal]:
    hours = _by_account(CALLS, PERIODS["day"], accounts=accounts).filter(at__gt=now - DAY)
    return dict(hours.order_by().values_list("account").annotate(Sum("cost")))


def _by_account(figures: ByAccount, period: Period, *, accounts: Accounts) -> QuerySet[Any]:
    """All rows for the slots of a period; from the many of the source where they are behind it."""
    if figures.is_level():
        slots = figures.rollup._default_manager.filter(slot=period.slot)
        return of_accounts(slots, accounts)
    spans = figures.source._default_manager.filter(span=period.span)
    return of_accounts(spans, accounts, by=figures.account_path)


def _counted(rows: QuerySet[Any]) -> int:
    return rows.order_by()[: COUNTED_TO + 1].count()
