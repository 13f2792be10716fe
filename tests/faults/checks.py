"""What must hold when quiet has returned, whatever was done to the product.

Pure functions: each takes the evidence and returns a sentence for every breach.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import ceil

from tests.faults.records import ANSWERED, TERMINAL, Call, Dial, Evidence, Listener, Told

Breaches = Iterable[str]
# What is set aside for a call is the most that it costs.
MOST_MINUTES = 2
# After these a carrier holds nobody on the line, and nobody has been.
UNANSWERED = ("no_answer", "busy", "untaken", "canceled")


def every_accepted_call_ended(evidence: Evidence) -> Breaches:
    by_id = {(call.account, call.id): call for call in evidence.calls}
    for order in evidence.orders:
        for call_id in dict.fromkeys(order.call_ids):
            call = by_id.get((order.account, call_id))
            if call is None:
                yield f"{call_id} was accepted and is not there"
            elif call.number != order.number:
                yield f"{call_id} was accepted for {order.number} and is for {call.number}"
    for call in evidence.calls:
        if call.status not in TERMINAL or not call.has_end:
            yield f"{call.id} has not ended: {call.status}"


def one_request_is_one_call(evidence: Evidence) -> Breaches:
    calls = Counter(call.number for call in evidence.calls)
    numbers = {order.number for order in evidence.orders}
    for order in evidence.orders:
        if len(set(order.call_ids)) > 1:
            yield f"{order.number}: one key was answered with {', '.join(order.call_ids)}"
        if calls[order.number] > 1:
            yield f"{order.number}: one request made {calls[order.number]} calls"
    for number in calls.keys() - numbers:
        yield f"{number}: nobody asked for a call to it"


def no_request_was_refused(evidence: Evidence) -> Breaches:
    """What broke is ours: a client with credits who asks for a valid call gets one."""
    for order in evidence.orders:
        if order.refusal:
            yield f"{order.number} was refused: {order.refusal}"


def nobody_was_dialled_twice(evidence: Evidence) -> Breaches:
    orders = {order.number: order for order in evidence.orders}
    for dial in evidence.dials:
        if dial.orders > 1:
            yield f"{dial.number}: dial {dial.id} was ordered {dial.orders} times"
    for number, dials in _by_number(evidence.dials).items():
        order = orders.get(number)
        if order is None or order.mode != "live":
            yield f"{number} was dialled, and no live request asked for it"
        elif len(dials) > order.most_dials:
            yield f"{number} was dialled {len(dials)} times, {order.most_dials} were asked for"
        for dial in dials[:-1]:
            if not _was_unanswered(dial):
                yield f"{number} was dialled again after {dial.outcome or 'a dial under way'}"


def _was_unanswered(dial: Dial) -> bool:
    """A failure that was kept from the product is a phone that rang for long enough, for it."""
    return dial.outcome in UNANSWERED or (dial.outcome == "failed" and not dial.is_plain)


def the_carrier_holds_nothing(evidence: Evidence) -> Breaches:
    for dial in evidence.dials:
        if not dial.outcome:
            yield f"{dial.number}: dial {dial.id} is still on the line"


def what_the_carrier_told_is_what_is_said(evidence: Evidence) -> Breaches:
    calls = {call.id: call for call in evidence.calls}
    for dials in _by_number(evidence.dials).values():
        last = dials[-1]
        call = calls.get(last.call_id)
        if call and last.is_plain and not _agrees(call, last):
            yield f"{call.id} is {call.status} ({call.reason}), the carrier said {last.outcome}"


def _agrees(call: Call, last: Dial) -> bool:
    # Canceled while it waited for another try, or the order of that try never arrived.
    has_lost_a_try = call.last_dial != last.id and call.status == "failed"
    return call.status == last.outcome or call.status == "canceled" or has_lost_a_try


def each_listener_was_told_each_end_once(evidence: Evidence) -> Breaches:
    told = _events(evidence.told)
    for listener in evidence.listeners:
        for call in evidence.calls:
            if _listens(listener, call):
                events = told.get((listener.name, call.id), {})
                yield from _ends_told(listener, call, events)


def _ends_told(listener: Listener, call: Call, events: Mapping[str, Told]) -> Breaches:
    ends = [one for one in events.values() if one.type != "call.started"]
    if len(ends) != 1:
        yield f"{listener.name} was told of {len(ends)} ends of {call.id}"
    for end in ends:
        if listener.surface == "native" and (end.type, end.status) != (_type(call), call.status):
            yield f"{listener.name} was told {end.type} {end.status} of {call.id}: {call.status}"
    starts = len(events) - len(ends)
    if listener.surface == "native" and starts != int(call.was_answered):
        yield f"{listener.name} was told of {starts} starts of {call.id}"


def a_duplicate_is_the_same_event(evidence: Evidence) -> Breaches:
    seen: dict[tuple[str, str], Told] = {}
    for one in evidence.told:
        first = seen.setdefault((one.listener, one.event_id), one)
        if first.digest != one.digest:
            yield f"{one.listener} was told two things as {one.event_id}"
        if not one.is_signed:
            yield f"{one.listener} was told {one.event_id} with a wrong signature"


def nobody_was_told_of_anothers_call(evidence: Evidence) -> Breaches:
    owners = {call.id: call for call in evidence.calls}
    listeners = {listener.name: listener for listener in evidence.listeners}
    for one in evidence.told:
        call = owners.get(one.call_id)
        if call is None:
            yield f"{one.listener} was told of {one.call_id}, which is no call"
        elif not _listens(listeners[one.listener], call):
            yield f"{one.listener} was told of {one.call_id} of {call.account}"
    asked = {order.number: order.account for order in evidence.orders}
    for call in evidence.calls:
        if asked.get(call.number, call.account) != call.account:
            yield f"{call.account} sees {call.id}, which {asked[call.number]} asked for"


def the_books_agree(evidence: Evidence) -> Breaches:
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for call in evidence.calls:
        costs[call.account] += call.cost or 0
        if call.cost not in _prices(call):
            yield f"{call.id} cost {call.cost}: {call.mode}, {call.seconds} s"
    for books in evidence.books:
        left = books.given - costs[books.account]
        if not books.balance == books.entries == left:
            yield (
                f"{books.account}: balance {books.balance}, ledger {books.entries}, "
                f"given less spent {left}"
            )
        if books.reserved or books.entries_reserved:
            yield (
                f"{books.account}: {books.reserved} set aside, "
                f"{books.entries_reserved} by the ledger"
            )


def nothing_is_left_over(evidence: Evidence) -> Breaches:
    for what, count in evidence.leftovers.items():
        if count:
            yield f"{count} {what}"
    for books in evidence.books:
        if books.active_calls or books.queued_calls:
            yield f"{books.account}: {books.active_calls} active, {books.queued_calls} queued"


CHECKS: dict[str, Callable[[Evidence], Breaches]] = {
    "Every accepted call has exactly one end": every_accepted_call_ended,
    "One request is one call, however often it is made": one_request_is_one_call,
    "No valid request is refused": no_request_was_refused,
    "No number is dialled twice for one request": nobody_was_dialled_twice,
    "The carrier holds no call that has ended for us": the_carrier_holds_nothing,
    "A call ended as its carrier said": what_the_carrier_told_is_what_is_said,
    "Each receiver is told one end of each call": each_listener_was_told_each_end_once,
    "A duplicate is the same event, signed": a_duplicate_is_the_same_event,
    "Nobody is told of another account's call": nobody_was_told_of_anothers_call,
    "Balance, ledger and costs agree, nothing is set aside": the_books_agree,
    "No slot, lease or delivery is left over": nothing_is_left_over,
}


def judge(evidence: Evidence) -> dict[str, list[str]]:
    """What each check found."""
    return {title: list(check(evidence)) for title, check in CHECKS.items()}


def _by_number(dials: Iterable[Dial]) -> dict[str, list[Dial]]:
    grouped: dict[str, list[Dial]] = defaultdict(list)
    for dial in sorted(dials, key=lambda dial: dial.at):
        grouped[dial.number].append(dial)
    return grouped


def _events(told: Iterable[Told]) -> dict[tuple[str, str], dict[str, Told]]:
    """By listener and call: the events by their ids."""
    grouped: dict[tuple[str, str], dict[str, Told]] = defaultdict(dict)
    for one in told:
        grouped[one.listener, one.call_id][one.event_id] = one
    return grouped


def _listens(listener: Listener, call: Call) -> bool:
    return listener.account == call.account and listener.agent_id in ("", call.agent_id)


def _type(call: Call) -> str:
    return "call.completed" if call.status in ANSWERED else "call.failed"


def _prices(call: Call) -> set[Decimal]:
    """A credit for each started minute of an answered live call; its seconds are rounded."""
    if call.mode == "test" or call.seconds is None:
        return {Decimal(0)}
    exactly = (call.seconds - 0.5, call.seconds + 0.5)
    return {Decimal(min(max(ceil(one / 60), 1), MOST_MINUTES)) for one in exactly}
