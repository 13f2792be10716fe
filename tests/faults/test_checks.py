"""Every check finds what it is there for: records of a good run, each spoilt in one way."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.faults.checks import CHECKS, judge
from tests.faults.records import Books, Call, Dial, Evidence, Listener, Order, Told

ONE, TWO = "+12125551000", "+12125551001"
GOOD = Evidence(
    orders=[
        Order("a", ONE, "live", most_dials=1, was_canceled=False, call_ids=("call_1", "call_1")),
        Order("b", TWO, "live", most_dials=2, was_canceled=False, call_ids=("call_2",)),
    ],
    calls=[
        Call(
            "a", "call_1", ONE, "live", "agent_1", "completed", "", True, True, 61, Decimal(2), "d1"
        ),
        Call(
            "b", "call_2", TWO, "live", "agent_2", "busy", "", False, True, None, Decimal(0), "d3"
        ),
    ],
    dials=[
        Dial("d1", "call_1", ONE, 1.0, orders=1, outcome="completed", is_plain=True),
        Dial("d2", "call_2", TWO, 1.0, orders=1, outcome="no_answer", is_plain=True),
        Dial("d3", "call_2", TWO, 9.0, orders=1, outcome="busy", is_plain=True),
    ],
    listeners=[
        Listener("a's", "a", "native"),
        Listener("a's zap", "a", "zapier", agent_id="agent_1"),
        Listener("b's", "b", "native"),
        Listener("b's other", "b", "native", agent_id="agent_3"),
    ],
    told=[
        Told("a's", "evt_1", "call.started", "call_1", "in_progress", "x", True),
        Told("a's", "evt_2", "call.completed", "call_1", "completed", "y", True),
        Told("a's", "evt_2", "call.completed", "call_1", "completed", "y", True),
        Told("a's zap", "evt_2", "", "call_1", "completed", "z", True),
        Told("b's", "evt_3", "call.failed", "call_2", "busy", "w", True),
    ],
    books=[
        Books("a", Decimal(9), Decimal(7), Decimal(0), Decimal(7), Decimal(0), 0, 0),
        Books("b", Decimal(9), Decimal(9), Decimal(0), Decimal(9), Decimal(0), 0, 0),
    ],
    leftovers={"stray dials": 0},
)

ENDED = "Every accepted call has exactly one end"
ONE_CALL = "One request is one call, however often it is made"
REFUSED = "No valid request is refused"
DIALLED = "No number is dialled twice for one request"
HELD = "The carrier holds no call that has ended for us"
AGREES = "A call ended as its carrier said"
TOLD = "Each receiver is told one end of each call"
SAME = "A duplicate is the same event, signed"
TENANCY = "Nobody is told of another account's call"
BOOKS = "Balance, ledger and costs agree, nothing is set aside"
LEFT = "No slot, lease or delivery is left over"

Spoil = Callable[[Evidence], Evidence]


def order(n: int, **changes: object) -> Spoil:
    return lambda good: replace(good, orders=_changed(good.orders, n, changes))


def call(n: int, **changes: object) -> Spoil:
    return lambda good: replace(good, calls=_changed(good.calls, n, changes))


def dial(n: int, **changes: object) -> Spoil:
    return lambda good: replace(good, dials=_changed(good.dials, n, changes))


def told(n: int, **changes: object) -> Spoil:
    return lambda good: replace(good, told=_changed(good.told, n, changes))


def books(n: int, **changes: object) -> Spoil:
    return lambda good: replace(good, books=_changed(good.books, n, changes))


def also(n: int, **changes: object) -> Spoil:
    """The n-th thing told, once more, and different."""
    return lambda good: replace(good, told=[*good.told, replace(good.told[n], **changes)])  # type: ignore[arg-type]


def untold(n: int) -> Spoil:
    return lambda good: replace(good, told=[*good.told[:n], *good.told[n + 1 :]])


def another_call(**changes: object) -> Spoil:
    return lambda good: replace(good, calls=[*good.calls, replace(good.calls[1], **changes)])  # type: ignore[arg-type]


def _changed(rows: Sequence[Any], n: int, changes: dict[str, object]) -> list[Any]:
    changed = list(rows)
    changed[n] = replace(changed[n], **changes)
    return changed


def test_a_good_run_passes_every_check() -> None:
    assert judge(GOOD) == {title: [] for title in CHECKS}


@pytest.mark.parametrize(
    ("spoil", "finds"),
    [
        (call(0, status="in_progress"), ENDED),
        (call(0, has_end=False), ENDED),
        (order(1, call_ids=("call_9",)), ENDED),
        (order(1, call_ids=("call_1",)), ENDED),
        (order(0, call_ids=("call_1", "call_2")), ONE_CALL),
        (another_call(id="call_3"), ONE_CALL),
        (another_call(id="call_3", number="+12125551009"), ONE_CALL),
        (order(0, refusal="409 idempotency_conflict"), REFUSED),
        (dial(0, orders=2), DIALLED),
        (dial(2, number=ONE), DIALLED),
        (order(1, most_dials=1), DIALLED),
        (order(0, mode="test"), DIALLED),
        (dial(1, outcome="completed"), DIALLED),
        (dial(1, outcome="failed"), DIALLED),
        (dial(1, outcome=""), DIALLED),
        (dial(0, outcome=""), HELD),
        (dial(0, outcome="busy"), AGREES),
        (call(0, status="failed"), AGREES),
        (call(1, status="failed"), AGREES),
        (call(1, status="completed", last_dial="d4"), AGREES),
        (untold(4), TOLD),
        (untold(3), TOLD),
        (untold(0), TOLD),
        (also(4, event_id="evt_9"), TOLD),
        (also(0, event_id="evt_9"), TOLD),
        (told(4, type="call.completed"), TOLD),
        (told(4, status="no_answer"), TOLD),
        (also(4, digest="other"), SAME),
        (told(4, is_signed=False), SAME),
        (also(4, listener="a's"), TENANCY),
        (also(4, listener="b's other"), TENANCY),
        (also(4, call_id="call_9"), TENANCY),
        (call(1, account="a"), TENANCY),
        (call(0, cost=Decimal(1)), BOOKS),
        (call(1, cost=None), BOOKS),
        (books(0, balance=Decimal(8)), BOOKS),
        (books(0, entries=Decimal(6)), BOOKS),
        (books(0, given=Decimal(10)), BOOKS),
        (books(1, reserved=Decimal(2)), BOOKS),
        (books(1, entries_reserved=Decimal(-2)), BOOKS),
        (books(1, active_calls=1), LEFT),
        (books(1, queued_calls=1), LEFT),
        (lambda good: replace(good, leftovers={"stray dials": 1}), LEFT),
    ],
)
def test_what_went_wrong_is_found(spoil: Spoil, finds: str) -> None:
    assert judge(spoil(GOOD))[finds]


def test_a_try_that_the_carrier_never_heard_of_is_no_word_of_the_carrier() -> None:
    lost = call(1, status="failed", reason="carrier_unknown", last_dial="d4")(GOOD)
    assert not judge(lost)[AGREES]


def test_seconds_are_rounded_and_a_bill_is_not() -> None:
    just_over = call(0, seconds=60, cost=Decimal(2))(GOOD)
    assert not judge(just_over)[BOOKS]
