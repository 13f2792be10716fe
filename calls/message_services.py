"""Use cases about text messages."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.credits import reserve
from agents.errors import AgentDisabled
from agents.models import Account, Agent, Mode
from agents.prices import price_for
from agents.prompts import Rendered, TooLong, render
from agents.services import find_agent
from calls import policy
from calls.carriers.simulated import rehearse_acceptance
from calls.errors import MessageNotFound
from calls.idempotency import claim_key
from calls.models import Message
from calls.segments import split
from calls.services import Origin, e164, from_number_of
from core.errors import InvalidRequest
from core.ids import new_id, parse_id
from core.phone import region_of
from core.wake import wake

SEND = "sms.send"
# 1,530 characters of the GSM alphabet, or 670 others: within what carriers take at once.
MOST_SEGMENTS = 10


@dataclass(frozen=True)
class MessageRequest:
    """What a client asks for. Numbers as the client wrote them; `message` is a template."""

    agent_id: str
    to_number: str
    message: str
    from_number: str | None = None
    params: Mapping[str, Any] | None = None

    @property
    def fingerprint(self) -> str:
        """Equal exactly for equal requests."""
        text = json.dumps(vars(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@transaction.atomic
def send_message(
    request: MessageRequest, *, origin: Origin, idempotency_key: str | None = None
) -> tuple[Message, bool]:
    """Accept a message: it is recorded, and a worker sends it. True when it was accepted before.

    Raises AgentNotFound, AgentDisabled, InvalidNumber, FromNumberMissing, FromNumberNotAllowed,
    NumberOnDoNotCallList, InsufficientCredits,
    InvalidRequest for a text that is empty or too long once its variables are filled in, and
    IdempotencyConflict when the key was used for another request; a refusal does not use it up.
    """
    message_id = new_id()
    if idempotency_key:
        taken = claim_key(
            idempotency_key,
            account_id=origin.account.id,
            mode=origin.mode,
            fingerprint=request.fingerprint,
            message_id=message_id,
        )
        if taken and taken.message:
            return taken.message, True
    message = _accept(request, origin=origin, message_id=message_id)
    transaction.on_commit(partial(wake, SEND))
    return message, False


def find_message(account: Account, message_id: object) -> Message:
    """The account's message by either form of its id. Raises MessageNotFound."""
    parsed = parse_id("sms", message_id)
    message = parsed and Message.objects.for_account(account).filter(id=parsed).first()
    if not message:
        raise MessageNotFound
    return message


def _accept(request: MessageRequest, *, origin: Origin, message_id: UUID) -> Message:
    agent = find_agent(origin.account, request.agent_id)
    if not agent.is_enabled:
        raise AgentDisabled
    message = _new_message(request, origin=origin, agent=agent, message_id=message_id)
    policy.check_message_accept(origin.account, number=message.to_number)
    if message.carrier == "simulated":
        rehearse_acceptance(message.to_number)
    if message.reserved:
        reserve(message.account_id, amount=message.reserved, subject=message)
    message.save(force_insert=True)
    return message


def _new_message(
    request: MessageRequest, *, origin: Origin, agent: Agent, message_id: UUID
) -> Message:
    now, is_test = timezone.now(), origin.mode == Mode.TEST
    region = region_of(agent.default_number)
    to_number = e164("to_number", request.to_number, region=region)
    # A test key never reaches another carrier.
    carrier = "simulated" if is_test else agent.carrier
    from_number = from_number_of(request.from_number, agent=agent, region=region, carrier=carrier)
    rendered, segments = _written(request)
    price = price_for(origin.account.id, number=to_number).per_segment
    return Message(
        id=message_id,
        account=origin.account,
        agent=agent,
        api_key=origin.api_key,
        request_id=origin.request_id,
        fingerprint=request.fingerprint,
        client_address=origin.address,
        mode=origin.mode,
        carrier=carrier,
        from_number=from_number,
        to_number=to_number,
        text=rendered.text,
        segments=segments,
        params=request.params,
        missing_params=list(rendered.missing),
        price_per_segment=price,
        reserved=Decimal(0) if is_test else price * segments,
        created_at=now,
        due_at=now,
    )


def _written(request: MessageRequest) -> tuple[Rendered, int]:
    """The text with its variables filled in, and how many segments it takes."""
    try:
        rendered = render(request.message, request.params or {})
    except TooLong:
        raise _unfit("is longer than 64 KiB with its variables filled in") from None
    if not rendered.text.strip():
        raise _unfit("is empty with its variables filled in")
    segments = len(split(rendered.text))
    if segments > MOST_SEGMENTS:
        raise _unfit(f"would take {segments} segments; {MOST_SEGMENTS} are sent at most")
    return rendered, segments


def _unfit(why: str) -> InvalidRequest:
    return InvalidRequest(f"message: {why}", fields={"message": why})
