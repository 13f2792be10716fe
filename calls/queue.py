"""The queue: which of the waiting calls may be dialled now, and how long the others wait.

One claim at a time decides, over all workers, so that limits hold exactly though they span many
calls. What it goes by is counted from rows: a call takes a place while it is active and frees it
by ending, so no place can be lost.

Calls of one account, mode, agent and carrier wait in a lane of their own. A lane at its limit
stops nobody else; within an account the lanes are served in the order in which their calls came,
and between accounts whoever has the fewest calls under way is next.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import chain
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from agents.models import Account
from calls.lanes import Lane, Limit, Scope, Survey, Waiting, heads
from calls.models import ANSWERED, Call, Status
from calls.shares import Shares
from core.rows import is_postgresql, prepared_cursor

# Advisory locks are known by a number alone: this one is the claim's.
CLAIM_LOCK = 7_235_910_044
# How many lanes one claim looks into.
MOST_LANES = 256
# What a call is thought to take while its account has none to learn from.
USUAL_SECONDS = 60.0
RECENT_CALLS = 20
# Nobody in a line this long is helped by counting on.
MOST_AHEAD = 10_000


class Rooms:
    """How many more calls each lane may start."""

    def __init__(self, survey: Survey, *, shares: Shares) -> None:
        """`shares` says what this worker itself has under way."""
        self._limits = {**survey.limits, **_limits_of_carriers()}
        self._active, self._started = survey.active.copy(), survey.started.copy()
        self._shares = shares.copy()

    def of(self, lane: Lane, *, most: int) -> int:
        own = self._shares.left(lane.carrier, lane.account_id)
        return max(min(most, own, *chain(*(self._left(scope) for scope in lane.scopes))), 0)

    def take(self, lane: Lane) -> None:
        self._active.update(lane.scopes)
        self._started.update(lane.scopes)
        self._shares.take(lane.carrier, lane.account_id)

    def ask_again(self, lane: Lane) -> bool:
        """Whether a dial that has its place already may be asked for once more; it counts then.

        One that came due after the survey has to wait for the next.
        """
        is_surveyed = lane.scopes[0] in self._limits
        limits = [self._limits.get(scope, Limit(None)).per_second for scope in lane.scopes]
        rates = zip(lane.scopes, limits, strict=True)
        has_share = self._shares.left(lane.carrier, lane.account_id) > 0
        is_free = (
            is_surveyed
            and has_share
            and all(limit is None or self._started[scope] < limit for scope, limit in rates)
        )
        if is_free:
            self._started.update(lane.scopes)
            self._shares.take(lane.carrier, lane.account_id)
        return is_free

    def under_way(self, lane: Lane) -> int:
        """How many calls the lane's account has in this mode."""
        return self._active[lane.scopes[0]]

    def _left(self, scope: Scope) -> Iterable[int]:
        limit = self._limits.get(scope, Limit(None))
        if limit.at_once is not None:
            yield limit.at_once - self._active[scope]
        if limit.per_second is not None:
            yield limit.per_second - self._started[scope]


@contextmanager
def turn() -> Iterator[datetime]:
    """A claim's transaction and its moment. Until its end no other worker claims anything."""
    with transaction.atomic():
        if is_postgresql():  # SQLite has one writer at a time anyway
            with prepared_cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        yield timezone.now()


def admit(most: int, *, lanes: Sequence[Lane], rooms: Rooms, now: datetime) -> list[UUID]:
    """Up to `most` waiting calls of `lanes` that may be dialled now, whose turn it is first.

    To be called in a `turn`, which begins their dials.
    """
    open_lanes = [lane for lane in lanes if rooms.of(lane, most=1)]
    chosen = sorted(open_lanes, key=rooms.under_way)[:MOST_LANES]
    if not chosen or most <= 0:
        return []
    # Of many lanes a few calls each will do: what they leave is taken by the next claim.
    each = max(2 * most // len(chosen), 4)
    firsts = heads({lane: rooms.of(lane, most=each) for lane in chosen}, now=now)
    return list(_in_turn(firsts, most=most, rooms=rooms))


def place_of(call: Call, *, now: datetime) -> tuple[int, float]:
    """A queued call's place among its account's, from 1, and the seconds that it may well wait."""
    queued = Call.objects.filter(account_id=call.account_id, mode=call.mode, status=Status.QUEUED)
    earlier = Q(due_at__lt=call.due_at) | Q(due_at=call.due_at, id__lt=call.id)
    ahead = queued.filter(earlier)[:MOST_AHEAD].count()
    until_due = (call.due_at - now).total_seconds() if call.due_at else 0.0
    under_way = Call.objects.active().filter(account_id=call.account_id, mode=call.mode).count()
    places = max(Account.objects.get(id=call.account_id).max_concurrent_calls, 1)
    # Places that are taken are thought to be half through, so a full house is half a turn.
    turns = (ahead + under_way) // places - (0.5 if under_way >= places else 0)
    return ahead + 1, max(until_due, 0.0) + max(turns, 0) * _usual_seconds(call)


def _in_turn(firsts: Sequence[Waiting], *, most: int, rooms: Rooms) -> Iterable[UUID]:
    """Who has the fewest calls under way comes first, and its longest waiting call."""
    lines: dict[Lane, deque[Waiting]] = defaultdict(deque)
    for first in sorted(firsts):
        lines[first.lane].append(first)
    turns = [(rooms.under_way(lane), line.popleft()) for lane, line in lines.items()]
    heapify(turns)
    while turns and most:
        thought, first = heappop(turns)
        lane, under_way = first.lane, rooms.under_way(first.lane)
        if under_way != thought:
            heappush(turns, (under_way, first))  # another lane of its account had a turn since
        elif rooms.of(lane, most=1):  # if not, the lane is done: nothing makes room meanwhile
            rooms.take(lane)
            most -= 1
            if lines[lane]:
                heappush(turns, (under_way + 1, lines[lane].popleft()))
            yield first.call_id


def _limits_of_carriers() -> dict[Scope, Limit]:
    return {("carrier", name): Limit(*limit) for name, limit in settings.CARRIER_LIMITS.items()}


def _usual_seconds(call: Call) -> float:
    """How long the account's calls keep their place, by the newest of them."""
    ended = Call.objects.filter(
        account_id=call.account_id, mode=call.mode, status__in=ANSWERED
    ).order_by("-created_at", "-id")[:RECENT_CALLS]
    spans = ended.annotate(span=F("ended_at") - F("started_at")).values_list("span", flat=True)
    lasted = [span.total_seconds() for span in spans if span is not None]
    return sum(lasted) / len(lasted) if lasted else USUAL_SECONDS
