"""Use cases about accounts, their keys and their agents."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents import keys
from agents.credits import top_up
from agents.errors import AgentNotFound
from agents.models import Account, Agent, ApiKey
from agents.scopes import Scope
from agents.unusual import inherit_habit
from core import secrets
from core.errors import Conflict
from core.ids import parse_id


@transaction.atomic
def open_account(*, name: str, credits: Decimal | None, actor: str = "") -> Account:
    """A fresh account; `credits` None means that it spends without limit."""
    if credits is None:
        return Account.objects.create(name=name, credits=None)
    account = Account.objects.create(name=name, credits=Decimal(0))
    if credits:
        top_up(account, amount=credits, reason="Opening balance", actor=actor)
        account.refresh_from_db()
    return account


def create_key(
    account: Account,
    *,
    name: str,
    mode: str,
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
    scopes: Sequence[str] = tuple(Scope),
    allowed_ranges: Sequence[str] = (),
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """The stored key and the key itself, which is to be shown now or never."""
    key = keys.new_key(mode)
    stored = ApiKey.objects.create(
        account=account,
        name=name,
        mode=mode,
        digest=secrets.digest(key),
        hint=keys.hint(key),
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
        scopes=list(scopes),
        allowed_ranges=list(allowed_ranges),
        replaces=replaces,
    )
    return stored, key


@transaction.atomic
def rotate_key(api_key: ApiKey, *, overlap: timedelta) -> tuple[ApiKey, str]:
    """The successor, as stored and as the key itself; the old key ends after `overlap`, or sooner.

    The successor may do what the old one may, and lives as long as that one was meant to. Raises
    Conflict for a key that has ended or has a successor.
    """
    now = timezone.now()
    old = ApiKey.objects.select_for_update().usable(now=now).filter(id=api_key.id).first()
    if old is None or ApiKey.objects.filter(replaces=old).exists():
        raise Conflict("This key has ended, or was rotated before")
    successor, key = create_key(
        old.account,
        name=old.name,
        mode=old.mode,
        expires_at=now + (old.expires_at - old.created_at) if old.expires_at else None,
        requests_per_minute=old.requests_per_minute,
        scopes=old.scopes,
        allowed_ranges=old.allowed_ranges,
        replaces=old,
    )
    inherit_habit(successor, of=old)
    old.expires_at = min(old.expires_at or now + overlap, now + overlap)
    old.save(update_fields=["expires_at"])
    return successor, key


def revoke_key(api_key: ApiKey) -> None:
    """From now on the key opens nothing. Revoking twice keeps the first time."""
    ApiKey.objects.filter(id=api_key.id, revoked_at=None).update(revoked_at=timezone.now())


def create_agent(account: Account, **fields: Any) -> tuple[Agent, str]:
    """The agent and its secret, which is to be shown now or never."""
    secret = secrets.random_token()
    agent = Agent.objects.create(account=account, secret_digest=secrets.digest(secret), **fields)
    return agent, secret


def change_agent(agent: Agent, **fields: Any) -> Agent:
    for name, value in fields.items():
        setattr(agent, name, value)
    if fields:
        agent.save(update_fields=list(fields))
    return agent


def rotate_agent_secret(agent: Agent) -> str:
    """A new secret; the old one stops working at once."""
    secret = secrets.random_token()
    change_agent(agent, secret_digest=secrets.digest(secret))
    return secret


def disable_agent(agent: Agent) -> None:
    """It places no more calls. Its calls under way end as they would have."""
    change_agent(agent, disabled_at=timezone.now())


def find_agent(account: Account, agent_id: object) -> Agent:
    """The account's agent by either form of its id, enabled or not. Raises AgentNotFound."""
    parsed = parse_id("agent", agent_id)
    agent = parsed and Agent.objects.for_account(account).filter(id=parsed).first()
    if not agent:
        raise AgentNotFound
    return agent
