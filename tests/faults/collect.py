"""The evidence of a run, gathered when it is over: from clients, carrier, receivers and the API."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.e2e.product import Client
from tests.faults.load import Customer
from tests.faults.records import Books, Call, Evidence, Order
from tests.faults.rig import CREDITS, Rig, leftovers

ENTRIES = """
SELECT coalesce(sum(credits), 0), coalesce(sum(reserved), 0) FROM agents_ledgerentry
WHERE account_id = '{account}'
"""
LAST_DIALS = """
SELECT DISTINCT ON (call_id) call_id, id FROM calls_dial ORDER BY call_id, number DESC
"""


def evidence_of(rig: Rig, *, orders: list[Order]) -> Evidence:
    return Evidence(
        orders=orders,
        calls=_calls(rig),
        dials=rig.carrier.dials,
        listeners=[hearing.listener for hearing in rig.hearings],
        told=[one for hearing in rig.hearings for one in hearing.told],
        books=[_books(rig, customer) for customer in rig.customers],
        leftovers=leftovers(rig),
    )


def _calls(rig: Rig) -> list[Call]:
    dials = {f"call_{call_id.hex}": str(id) for call_id, id in rig.postgres.rows(LAST_DIALS)}
    return [
        _call(customer, seen, last_dial=dials.get(seen["id"], ""))
        for customer in rig.customers
        for seen in _seen(rig, customer)
    ]


def _seen(rig: Rig, customer: Customer) -> Iterator[dict[str, Any]]:
    client = Client(url=rig.product.url, key=customer.live_key)
    path = "/api/v1/calls?limit=100"
    while path:
        page = client.get(path).json()
        yield from page["results"]
        path = (page["next"] or "").removeprefix(rig.product.url)


def _call(customer: Customer, seen: dict[str, Any], *, last_dial: str) -> Call:
    return Call(
        account=customer.account,
        id=seen["id"],
        number=seen["toNumber"],
        mode=seen["mode"],
        agent_id=seen["agentId"],
        status=seen["status"],
        reason=seen["reason"] or "",
        was_answered=seen["startedAt"] is not None,
        has_end=seen["endedAt"] is not None,
        seconds=seen["duration"],
        cost=None if seen["cost"] is None else Decimal(seen["cost"]),
        last_dial=last_dial,
    )


def _books(rig: Rig, customer: Customer) -> Books:
    account = Client(url=rig.product.url, key=customer.live_key).get("/api/v1/account").json()
    id = account["id"].removeprefix("account_").removeprefix("acct_")
    entries, reserved = rig.postgres.rows(ENTRIES.format(account=id))[0]
    return Books(
        account=customer.account,
        given=CREDITS,
        balance=Decimal(account["credits"]),
        reserved=Decimal(account["reserved"]),
        entries=entries,
        entries_reserved=reserved,
        active_calls=account["activeCalls"],
        queued_calls=account["queuedCalls"],
    )
