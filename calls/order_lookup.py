"""Who places a call, looked up in one round trip with what the call is judged by."""

from typing import Any, NamedTuple
from uuid import UUID

from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from agents.auth import find_key
from agents.models import ApiKey
from agents.parsing import JsonBody, read_json
from calls import acceptance
from core.errors import InvalidNumber
from core.ids import parse_id
from core.phone import to_e164
from core.rows import is_postgresql


class Wanted(NamedTuple):
    agent_id: UUID
    number: str


class OrderLookup:
    """One request's. `found` is what came along with the key; `order` is the body by which that was
    looked for, read. Both are None where a key was looked for alone."""

    found: acceptance.Found | None = None
    order: dict[str, Any] | None = None

    def find(self, key: str, request: Request) -> ApiKey | None:
        order = _order(request) if is_postgresql() else None
        wanted = _wanted(order)
        if wanted is None:
            return find_key(key, request)
        api_key, self.found = acceptance.find_with_key(
            key, agent_id=wanted.agent_id, number=wanted.number
        )
        self.order = order
        return api_key


def _order(request: Request) -> Any:
    """The body, where it is sound JSON and says so; else whoever reads it again says what is wrong
    with it, once the key is known."""
    body = request._request.body  # one that is cut or too large is refused as such
    try:
        return read_json(body) if request._request.content_type == JsonBody.media_type else None
    except ParseError:
        return None


def _wanted(order: Any) -> Wanted | None:
    """What an order asks for, at first sight; it is judged once the key is known."""
    try:
        agent_id, number = parse_id("agent", order["agentId"]), to_e164(order["toNumber"])
    except (TypeError, LookupError, InvalidNumber):
        return None
    return Wanted(agent_id, number) if agent_id else None
