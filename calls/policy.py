"""Whether an account may call a number, and when: judged when a call is accepted and again before
it is dialled, for rules and days change while it waits.

The do-not-call list counts for test calls and messages too; the calling rules for live calls only,
and each of them only once it is set.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from agents.errors import AgentDisabled
from agents.models import Account, Mode
from calls.errors import (
    CountryNotAllowed,
    NumberOnDoNotCallList,
    OutsideCallingHours,
    PersonCalledTooOften,
)
from calls.hours import Week, day_start, next_opening
from calls.models import Call, CallingRules, Dial, DoNotCall
from core.errors import DomainError
from core.phone import region_of, zones_of

# Whom an account calls.
Person = tuple[UUID, str]
# When each person was dialled, lately.
Dials = Mapping[Person, Sequence[datetime]]

REFUSALS: dict[str, type[DomainError]] = {
    error.code: error
    for error in (
        AgentDisabled,
        NumberOnDoNotCallList,
        CountryNotAllowed,
        OutsideCallingHours,
        PersonCalledTooOften,
    )
}


@dataclass(frozen=True)
class Verdict:
    """Allowed without a `reason`; with one postponed to `until`, or refused where that is None."""

    reason: str = ""
    until: datetime | None = None

    @property
    def is_allowed(self) -> bool:
        return not self.reason

    @property
    def is_refused(self) -> bool:
        return bool(self.reason) and self.until is None


ALLOWED = Verdict()


class Known(NamedTuple):
    """What was looked up of a call's account and number."""

    rules: CallingRules
    is_listed: bool


# Of an account that has none.
NO_RULES = CallingRules()


def look_up(account_id: UUID, *, number: str) -> Known:
    rules = CallingRules.objects.filter(account_id=account_id).first()
    listed = DoNotCall.objects.filter(account_id=account_id, number=number)
    return Known(rules=rules or NO_RULES, is_listed=listed.exists())


def check_accept(call: Call, *, now: datetime, known: Known | None = None) -> Verdict:
    """Allowed, or postponed to when the calling hours open; `call` need not be saved.

    Judged for the moment it is scheduled at. How often the person was called counts for a call that
    is to go out at once. Raises NumberOnDoNotCallList, CountryNotAllowed, PersonCalledTooOften, and
    OutsideCallingHours when they do not open before the call expires.
    """
    planned = max(call.scheduled_at or now, now)
    known = known or look_up(call.account_id, number=call.to_number)
    counted = [call] if planned == now else []
    book = _Book.open(counted, {call.id: known}, now=now)
    verdict = book.judge(call, now=planned)
    too_late = verdict.until and call.expires_at and verdict.until >= call.expires_at
    if verdict.reason == PersonCalledTooOften.code:
        raise PersonCalledTooOften
    if verdict.is_refused:
        raise REFUSALS[verdict.reason]
    if too_late:
        raise OutsideCallingHours
    return verdict


def check_message_accept(account: Account, *, number: str) -> None:
    """Raises NumberOnDoNotCallList where the account must not write to `number` (E.164)."""
    if DoNotCall.objects.for_account(account).filter(number=number).exists():
        raise NumberOnDoNotCallList


def look_up_many(calls: Sequence[Call]) -> dict[UUID, Known]:
    """What is known of each of them, by its id; two queries however many."""
    rules, listed = _rules(calls), _listed(calls)
    return {
        call.id: Known(rules[call.account_id], (call.account_id, call.to_number) in listed)
        for call in calls
    }


def judge_many(
    calls: Sequence[Call], *, known: Mapping[UUID, Known], now: datetime
) -> dict[UUID, Verdict]:
    """What may become of each of these waiting calls, by its id; one query however many, where any
    of their accounts has a limit a person.

    An allowed call counts as a dial for those after it, so pass the calls that are to be dialled
    now, in their order. The limit a person is exact where dials are begun under the same lock.
    """
    book = _Book.open(calls, known, now=now)
    verdicts = {}
    for call in calls:
        verdicts[call.id] = verdict = book.judge(call, now=now)
        if verdict.is_allowed and call.mode == Mode.LIVE:
            book.dials[call.account_id, call.to_number].append(now)
    return verdicts


# Judging ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Book:
    """What is known of some calls, and the recent dials of their people."""

    known: Mapping[UUID, Known]
    dials: dict[Person, list[datetime]]

    @classmethod
    def open(cls, calls: Sequence[Call], known: Mapping[UUID, Known], *, now: datetime) -> "_Book":
        limited = [call for call in calls if known[call.id].rules.calls_per_person_per_day]
        return cls(known, _dials(limited, now=now))

    def judge(self, call: Call, *, now: datetime) -> Verdict:
        """The verdict for dialling `call` at `now`."""
        if not call.agent.is_enabled:
            return Verdict(AgentDisabled.code)
        known = self.known[call.id]
        if known.is_listed:
            return Verdict(NumberOnDoNotCallList.code)
        if call.mode == Mode.TEST:
            return ALLOWED
        rules = known.rules
        if rules.countries is not None and region_of(call.to_number) not in rules.countries:
            return Verdict(CountryNotAllowed.code)
        return _when(call, rules=rules, dials=self.dials[call.account_id, call.to_number], now=now)


def _when(call: Call, *, rules: CallingRules, dials: Sequence[datetime], now: datetime) -> Verdict:
    """The first moment from `now` on that suits the hours and the limit a person."""
    hours = None if call.ignore_calling_hours or rules.hours is None else Week.of(rules.hours)
    most = rules.calls_per_person_per_day
    if hours is None and most is None:
        return ALLOWED
    zones = zones_of(call.to_number)
    reason, moment = OutsideCallingHours.code, _opening(hours, zones=zones, since=now)
    if moment and most is not None and (day := _full_until(dials, most, zones=zones, at=moment)):
        reason, moment = PersonCalledTooOften.code, _opening(hours, zones=zones, since=day)
    if moment is None:
        return Verdict(OutsideCallingHours.code)
    return ALLOWED if moment <= now else Verdict(reason, until=moment)


def _opening(hours: Week | None, *, zones: Sequence[ZoneInfo], since: datetime) -> datetime | None:
    return next_opening(hours, zones=zones, since=since) if hours else since


def _full_until(
    dials: Sequence[datetime], most: int, *, zones: Sequence[ZoneInfo], at: datetime
) -> datetime | None:
    """When the day of `at` is over in each zone in which it has its `most` dials; None if none."""
    full = [zone for zone in zones if sum(dial >= day_start(zone, at=at) for dial in dials) >= most]
    return max((day_start(zone, at=at, days_later=1) for zone in full), default=None)


# Loading ------------------------------------------------------------------------------------------


def _rules(calls: Sequence[Call]) -> Mapping[UUID, CallingRules]:
    """By account; where none are kept, every rule is off."""
    accounts = {call.account_id for call in calls}
    kept = {row.account_id: row for row in CallingRules.objects.filter(account__in=accounts)}
    return {account: kept.get(account) or NO_RULES for account in accounts}


def _listed(calls: Sequence[Call]) -> frozenset[Person]:
    numbers = {call.to_number for call in calls}
    accounts = {call.account_id for call in calls}
    rows = DoNotCall.objects.filter(account__in=accounts, number__in=numbers)
    return frozenset(rows.values_list("account_id", "number"))


def _dials(calls: Sequence[Call], *, now: datetime) -> dict[Person, list[datetime]]:
    """The live dials of these calls' people since the day began where they are.

    One that is about to be asked again counts as asked now.
    """
    dials: dict[Person, list[datetime]] = defaultdict(list)
    if not calls:
        return dials
    numbers, accounts = {call.to_number for call in calls}, {call.account_id for call in calls}
    since = min(day_start(zone, at=now) for number in numbers for zone in zones_of(number))
    lately = Q(asked_at__gte=since) | Q(asked_at=None, ended_at=None)
    rows = Dial.objects.filter(
        lately, call__account__in=accounts, call__to_number__in=numbers, call__mode=Mode.LIVE
    )
    for account, number, asked_at in rows.values_list(
        "call__account_id", "call__to_number", "asked_at"
    ):
        dials[account, number].append(asked_at or now)
    return dials
