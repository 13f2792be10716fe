"""Use cases about calls."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.errors import AgentDisabled
from agents.models import Account, Agent, ApiKey, CallerId, Mode
from agents.prompts import Rendered, TooLong, render
from agents.services import find_agent
from calls import acceptance, booking, lifecycle, policy
from calls.carriers.simulated import rehearse_acceptance
from calls.errors import (
    CallIdAlreadyUsed,
    CallNotFound,
    FromNumberMissing,
    FromNumberNotAllowed,
)
from calls.idempotency import claim_key
from calls.models import Call, CallEvent, Status
from core.errors import InsufficientCredits, InvalidNumber, InvalidRequest
from core.ids import new_id, parse_id
from core.phone import region_of, to_e164
from core.times import rfc3339
from core.wake import wake

DIAL = "calls.dial"
# What params and metadata may weigh, as JSON.
MAX_OBJECT_BYTES = 16 * 1024
# A client's clock may be a little slow.
LATE_CLOCK = timedelta(minutes=5)
LATEST_SCHEDULE = timedelta(days=366)
LONGEST_WAIT = timedelta(days=30)


@dataclass(frozen=True)
class CallRequest:
    """What a client asks for. Numbers as the client wrote them, timeouts in seconds."""

    agent_id: str
    to_number: str
    from_number: str | None = None
    params: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    campaign_id: UUID | None = None
    max_duration: int | None = None
    ring_timeout: int | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    retry: Mapping[str, Any] | None = None
    ignore_calling_hours: bool | None = None

    @property
    def fingerprint(self) -> str:
        """Equal exactly for equal requests."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        text = json.dumps(given, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Origin:
    """Who asked, a program by its key or an operator by name, and where the request came from."""

    account: Account
    mode: str
    request_id: str
    address: str | None
    api_key: ApiKey | None = None
    operator: str = ""

    @classmethod
    def of(cls, api_key: ApiKey, *, meta: Mapping[str, Any]) -> Self:
        """A program's request, by what its environment (PEP 3333) says of it."""
        return cls(account=api_key.account, mode=api_key.mode, api_key=api_key, **_where(meta))

    @classmethod
    def of_operator(
        cls, operator: str, *, account: Account, mode: str, meta: Mapping[str, Any]
    ) -> Self:
        """What `operator` (a username) asks for in the account's name."""
        return cls(account=account, mode=mode, operator=operator, **_where(meta))


def _where(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "request_id": str(meta.get("REQUEST_ID", "")),
        "address": meta.get("REMOTE_ADDR") or None,
    }


class Placed(NamedTuple):
    """A call, whether it was accepted before, and the first lines of its timeline."""

    call: Call
    is_replay: bool
    lines: Sequence[CallEvent]


def place_call(
    request: CallRequest,
    *,
    origin: Origin,
    idempotency_key: str | None = None,
    client_id: UUID | None = None,
    found: acceptance.Found | None = None,
) -> Placed:
    """Accept a call: it is recorded, and a worker dials it.

    Whoever asks says that two requests are one by an `idempotency_key` for a day, or by a
    `client_id` that is the call's own for good. `found` is what somebody has looked up of the
    request already. Raises AgentNotFound, AgentDisabled, InvalidNumber, FromNumberMissing,
    FromNumberNotAllowed, InsufficientCredits, IdempotencyConflict when the key was used for
    another request, CallIdAlreadyUsed when the id was, and what policy.check_accept
    raises; a refusal burns neither.
    """
    try:
        with _transaction_if(bool(idempotency_key or client_id)):
            call_id, earlier = new_id(), None
            if idempotency_key:
                taken = claim_key(
                    idempotency_key,
                    account_id=origin.account.id,
                    mode=origin.mode,
                    fingerprint=request.fingerprint,
                    call_id=call_id,
                )
                earlier = taken and taken.call
            if client_id:
                earlier = earlier or _find_placed(request, origin=origin, client_id=client_id)
            if earlier:
                return _replayed(earlier)
            placed = _accept(
                request, origin=origin, call_id=call_id, client_id=client_id, found=found
            )
            transaction.on_commit(partial(wake, DIAL))
            return placed
    except (IntegrityError, InsufficientCredits):
        # Another request with this client_id was faster: its call stands, ours never was. It may
        # have taken the last credits too.
        faster = client_id and _find_placed(request, origin=origin, client_id=client_id)
        if not faster:
            raise
        return _replayed(faster)


def _transaction_if(has_more_to_write: bool) -> AbstractContextManager[None]:
    """A transaction, unless one statement is all there is to write."""
    if has_more_to_write or not booking.is_one_statement():
        return transaction.atomic()
    return nullcontext()


def _replayed(call: Call) -> Placed:
    return Placed(call, is_replay=True, lines=list(call.timeline.order_by("id")[:2]))


def find_call(api_key: ApiKey, call_id: object) -> Call:
    """The account's call by either form of its id, ours or the one that a client chose.

    Where a live and a test call were given the same id, it is the key's own. Raises CallNotFound.
    """
    parsed = parse_id("call", call_id)
    calls = list(Call.objects.for_account(api_key.account).known_as(parsed)) if parsed else []
    if not calls:
        raise CallNotFound
    return min(calls, key=lambda call: (call.id != parsed, call.mode != api_key.mode))


def find_call_to_end(api_key: ApiKey, call_id: object) -> Call:
    """As `find_call`, but no test key ends a live call. Raises CallNotFound."""
    call = find_call(api_key, call_id)
    if (call.mode, api_key.mode) == (Mode.LIVE, Mode.TEST):
        raise CallNotFound
    return call


def cancel_call(call: Call) -> Call:
    """Cancel a call that is not answered yet, have one that is hung up; the call as it is now.

    What a carrier holds is ended by a worker within seconds. Raises CallAlreadyEnded.
    """
    with transaction.atomic():
        lifecycle.cancel(call.id, now=timezone.now())
        transaction.on_commit(partial(wake, DIAL))
    call.refresh_from_db()
    return call


def _find_placed(request: CallRequest, *, origin: Origin, client_id: UUID) -> Call | None:
    """The account's call with this id in this mode, if it was placed by the same order."""
    agent = find_agent(origin.account, request.agent_id)
    call = (
        Call.objects.for_account(origin.account)
        .known_as(client_id)
        .filter(mode=origin.mode)
        .first()
    )
    if call and not _is_order_of(call, request, agent=agent):
        raise CallIdAlreadyUsed
    return call


def _is_order_of(call: Call, request: CallRequest, *, agent: Agent) -> bool:
    if call.fingerprint == request.fingerprint:
        return True
    region = region_of(agent.default_number)
    asked = (agent.id, e164("to_number", request.to_number, region=region), request.params)
    if asked != (call.agent_id, call.to_number, call.params):
        return False
    # Where none was given, what was the agent's number then is right, whatever it is now.
    from_number = request.from_number
    return not from_number or call.from_number == e164("from_number", from_number, region=region)


def _accept(
    request: CallRequest,
    *,
    origin: Origin,
    call_id: UUID,
    client_id: UUID | None,
    found: acceptance.Found | None,
) -> Placed:
    agent, facts = found or acceptance.find(
        origin.account, agent_id=request.agent_id, number=_international(request.to_number)
    )
    if not agent.is_enabled:
        raise AgentDisabled
    due_at = _due_at(request, now=(now := timezone.now()))
    facts = facts or _facts_in_region(request, agent=agent)
    call = _new_call(
        request, origin=origin, agent=agent, facts=facts, call_id=call_id, due_at=due_at, now=now
    )
    call.client_id = client_id
    verdict = policy.check_accept(call, now=now, known=facts.policy)
    if verdict.until:
        call.status, call.due_at = Status.SCHEDULED, verdict.until
    if call.carrier == "simulated":
        rehearse_acceptance(call.to_number)
    lines = _first_lines(call, verdict)
    booking.book(call, lines=lines)
    return Placed(call, is_replay=False, lines=lines)


def _international(text: str) -> str | None:
    """The number, where it is one whatever the region."""
    try:
        return to_e164(text)
    except InvalidNumber:
        return None


def _facts_in_region(request: CallRequest, *, agent: Agent) -> acceptance.Facts:
    number = e164("to_number", request.to_number, region=region_of(agent.default_number))
    return acceptance.facts_of(agent.account_id, number=number)


def _first_lines(call: Call, verdict: policy.Verdict) -> list[CallEvent]:
    """It was accepted, and maybe postponed at once."""
    lines = [CallEvent(call=call, type=call.status, at=call.created_at)]
    if verdict.until:
        detail = {"reason": verdict.reason, "until": rfc3339(verdict.until)}
        lines.append(CallEvent(call=call, type="postponed", at=call.created_at, detail=detail))
    return lines


def _new_call(
    request: CallRequest,
    *,
    origin: Origin,
    agent: Agent,
    facts: acceptance.Facts,
    call_id: UUID,
    due_at: datetime,
    now: datetime,
) -> Call:
    mode = origin.mode
    max_duration = request.max_duration or agent.max_duration
    price = lifecycle.price_of(max_duration, per_minute=facts.per_minute)
    prompt, greeting = _rendered(agent.prompt, request), _rendered(agent.greeting, request)
    # A test key never reaches another carrier.
    carrier = "simulated" if mode == Mode.TEST else agent.carrier
    return Call(
        id=call_id,
        account=origin.account,
        agent=agent,
        api_key=origin.api_key,
        operator=origin.operator,
        request_id=origin.request_id,
        fingerprint=request.fingerprint,
        client_address=origin.address,
        mode=mode,
        carrier=carrier,
        to_number=facts.number,
        from_number=from_number_of(
            request.from_number,
            agent=agent,
            region=region_of(agent.default_number),
            carrier=carrier,
        ),
        params=request.params,
        metadata=request.metadata,
        campaign_id=request.campaign_id,
        prompt=prompt.text,
        greeting=greeting.text,
        missing_params=list(dict.fromkeys(prompt.missing + greeting.missing)),
        ring_timeout=request.ring_timeout or agent.ring_timeout,
        max_duration=max_duration,
        status=Status.SCHEDULED if due_at > now else Status.QUEUED,
        price_per_minute=facts.per_minute,
        reserved=Decimal(0) if mode == Mode.TEST else price,
        created_at=now,
        due_at=due_at,
        scheduled_at=request.scheduled_at,
        expires_at=request.expires_at,
        retry=request.retry or agent.retry,
        ignore_calling_hours=bool(request.ignore_calling_hours),
    )


def _due_at(request: CallRequest, *, now: datetime) -> datetime:
    """When it is dialled at the earliest."""
    wanted = request.scheduled_at or now
    if wanted < now - LATE_CLOCK:
        raise _wrong("scheduled_at", "is in the past")
    if wanted > now + LATEST_SCHEDULE:
        raise _wrong("scheduled_at", "is more than a year away")
    due_at = max(wanted, now)
    if request.expires_at and request.expires_at <= due_at:
        raise _wrong("expires_at", "is not after the time at which it may be dialled")
    if request.expires_at and request.expires_at > due_at + LONGEST_WAIT:
        raise _wrong("expires_at", "is more than 30 days after the time at which it may be dialled")
    return due_at


def _wrong(name: str, why: str) -> InvalidRequest:
    first, *rest = name.split("_")
    field = first + "".join(word.capitalize() for word in rest)
    error = InvalidRequest(f"{field}: {why}", fields={field: why})
    error.zapier = f"{name} {why}"
    return error


def from_number_of(given: str | None, *, agent: Agent, region: str | None, carrier: str) -> str:
    """The number that a call or message shows.

    Raises InvalidNumber, FromNumberMissing, FromNumberNotAllowed."""
    if given:
        number = e164("from_number", given, region=region)
        if carrier != "simulated":
            _check_caller_id(number, agent=agent)
        return number
    if not agent.default_number:
        raise FromNumberMissing
    return agent.default_number


def _check_caller_id(number: str, *, agent: Agent) -> None:
    """A real callee sees the agent's own number, or one that an operator approved."""
    approved = CallerId.objects.filter(account_id=agent.account_id, number=number)
    if number != agent.default_number and not approved.exists():
        raise FromNumberNotAllowed


def _rendered(template: str, request: CallRequest) -> Rendered:
    try:
        return render(template, request.params or {})
    except TooLong:
        raise InvalidRequest(
            "params: make the agent's prompt longer than 64 KiB",
            fields={"params": "make the agent's prompt longer than 64 KiB"},
        ) from None


def e164(name: str, text: str, *, region: str | None) -> str:
    """The number given as `name`, as E.164. Raises InvalidNumber in the words of both surfaces."""
    try:
        return to_e164(text, region=region)
    except InvalidNumber as error:
        error.zapier = f"invalid {name}"
        raise
