"""Which account a request speaks for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NoReturn
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents import keys
from agents.errors import AddressNotAllowed, AgentNotFound, InvalidAgentCredentials
from agents.models import Account, Agent, ApiKey
from agents.ranges import is_within
from agents.services import find_agent
from agents.throttling import refuse_after
from core import secrets
from core.errors import DomainError, InvalidApiKey, MissingApiKey
from core.observing import KEY_ID
from core.rows import columns_of, fields_of, is_postgresql, load, prepared_cursor

LAST_USED_EVERY = timedelta(minutes=1)
# Until when this process need not ask the cache whether a key's use is noted; of so many keys.
MOST_NOTED = 10_000
_noted_until: dict[UUID, datetime] = {}


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key: <key>` or `Authorization: Bearer <key>`.

    Raises MissingApiKey or InvalidApiKey; unknown, revoked and expired keys look the same. Raises
    AddressNotAllowed for a key that may not be used from the client's address.
    """

    def __init__(self, find: "Find | None" = None) -> None:
        """`find` is for a view that looks for more than the key in the same round trip."""
        self._find = find or find_key

    def authenticate(self, request: Request) -> tuple[Account, ApiKey]:
        key = given_key(request.headers)
        if not key:
            raise MissingApiKey
        api_key = self._find(key, request) if keys.is_well_formed(key) else None
        if api_key is None:
            _refuse(request, InvalidApiKey())
        ranges = api_key.allowed_ranges
        if ranges and not is_within(request.META.get("REMOTE_ADDR", ""), ranges):
            # Before it is counted: whoever stole the key shall not use up its limit.
            _refuse(request, AddressNotAllowed())
        request.META[KEY_ID] = api_key.id
        note_use(api_key)
        return api_key.account, api_key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API schema describes the two headers."""

    target_class = ApiKeyAuthentication
    name = ["apiKey", "bearer"]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer"},
        ]

    def get_security_requirement(self, auto_schema: object) -> list[dict[str, list[str]]]:
        return [{"apiKey": []}, {"bearer": []}]


def given_key(headers: Mapping[str, str]) -> str:
    """The key in either header; empty when there is none."""
    key = headers.get("X-API-Key", "").strip()
    if key:
        return key
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def verified_agent(
    request: Request, *, account: Account, agent_id: object, secret: object
) -> Agent:
    """The account's agent whose secret this is.

    Raises AgentNotFound, for a deleted one too, InvalidAgentCredentials, and RateLimitExceeded
    once this address has shown too many wrong secrets.
    """
    agent = find_agent(account, agent_id)
    if not agent.is_enabled:
        raise AgentNotFound
    if not isinstance(secret, str) or not secrets.matches(secret, agent.secret_digest):
        refuse_after(
            request,
            failure="bad-agent-secret",
            limit=settings.BAD_AGENT_SECRETS_PER_MINUTE,
            error=InvalidAgentCredentials(),
        )
    return agent


def note_use(api_key: ApiKey) -> None:
    """Remember that the key is in use, with one write a minute at most."""
    now = timezone.now()
    if now < _noted_until.get(api_key.id, now):
        return
    try:
        first = cache.add(f"key-used:{api_key.id}", 1, LAST_USED_EVERY.total_seconds())
    except Exception:
        return  # a cache that is down must not turn every request into a write
    if len(_noted_until) >= MOST_NOTED:
        _noted_until.clear()
    _noted_until[api_key.id] = now + LAST_USED_EVERY
    if first:
        ApiKey.objects.filter(id=api_key.id).update(last_used_at=now)


def _refuse(request: Request, error: DomainError) -> NoReturn:
    refuse_after(request, failure="bad-key", limit=settings.BAD_KEYS_PER_MINUTE, error=error)


# The usable key with its account: not one that is unknown, revoked or expired.
Find = Callable[[str, Request], ApiKey | None]


def find_key(key: str, request: Request) -> ApiKey | None:
    digest, now = secrets.digest(key), timezone.now()
    if is_postgresql():
        return _find_at_once(digest, now=now)
    usable = ApiKey.objects.usable(now=now).select_related("account")
    return usable.filter(digest=digest).first()


# As ApiKeyQuerySet.usable has it: every request asks this first.
FROM_USABLE_KEY = """
FROM agents_apikey AS key JOIN agents_account AS account ON account.id = key.account_id
"""
WHERE_KEY_IS_USABLE = """
WHERE key.digest = %(digest)s AND key.revoked_at IS NULL
  AND (key.expires_at IS NULL OR key.expires_at > %(now)s)
"""
KEY_WIDTH = len(fields_of(ApiKey)) + len(fields_of(Account))


def key_columns() -> str:
    """What `load_key` reads."""
    key, account = columns_of(ApiKey, alias="key"), columns_of(Account, alias="account")
    return f"{key}, {account}"


def load_key(columns: Sequence[object]) -> ApiKey:
    width = len(fields_of(ApiKey))
    api_key = load(ApiKey, columns[:width])
    api_key.account = load(Account, columns[width:])
    return api_key


def _find_at_once(digest: str, *, now: datetime) -> ApiKey | None:
    with prepared_cursor() as cursor:
        cursor.execute(_find_key_sql(), {"digest": digest, "now": now})
        row = cursor.fetchone()
    return load_key(row) if row else None


@lru_cache
def _find_key_sql() -> str:
    return f"SELECT {key_columns()} {FROM_USABLE_KEY} {WHERE_KEY_IS_USABLE}"
