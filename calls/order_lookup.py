"""Who places a call, looked up in one round trip with what the call is judged by."""

import json
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from rest_framework.request import Request

from agents.auth import find_key
from agents.models import ApiKey
from calls import acceptance
from core.ids import parse_id
from core.phone import to_e164


class Wanted(NamedTuple):
    agent_id: UUID
    number: str


class OrderLookup:
    """One request's. `found` is what came along with the key, if it did."""

    found: acceptance.Found | None = None

    def find(self, key: str, request: Request) -> ApiKey | None:
        wanted = _wanted(request) if connection.vendor == "postgresql" else None
        if wanted is None:
            return find_key(key, request)
        api_key, self.found = acceptance.find_with_key(key, **wanted._asdict())
        return api_key


def _wanted(request: Request) -> Wanted | None:
    """What the body asks for, at first sight; it is read again, and judged, once the key is."""
    body = request._request.body  # one that is cut or too large is refused as such
    try:
        order = json.loads(body)
        agent_id, number = parse_id("agent", order["agentId"]), to_e164(order["toNumber"])
    except Exception:
        return None  # what is wrong with it is for whoever reads it to say
    return Wanted(agent_id, number) if agent_id else None
