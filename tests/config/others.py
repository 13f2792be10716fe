"""Another account, for what a stranger must not reach."""

import hashlib
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.utils import timezone

from agents.models import Account, Agent
from calls.models import Call
from core.ids import native_id
from core.times import rfc3339
from operations.models import AlertRule
from tests.config.pages import every_admin, rows_of
from tests.factories import make_account
from webhooks.services import subscribe_zap


class Others:
    """Another account, with a row of every kind."""

    def __init__(self) -> None:
        self.rows = rows_of(make_account(name="Xenophon"))
        self.account: Account = self.rows["agents/account"]  # type: ignore[assignment]
        self.secret = "their-secret"
        agent: Agent = self.rows["agents/agent"]  # type: ignore[assignment]
        agent.secret_digest = hashlib.sha256(self.secret.encode()).hexdigest()
        agent.save()
        call: Call = self.rows["calls/call"]  # type: ignore[assignment]
        self.ids = {
            "call_id": call.native_id,
            "number": "+14155550199",
            "message_id": self.native("calls/message", "sms"),
            "agent_id": agent.native_id,
            "webhook_id": self.native("webhooks/subscription", "whk"),
            "subscription_id": subscribe_zap(agent, url="https://zap.example.org/").pk,
            "delivery_id": self.native("webhooks/delivery", "dlv"),
        }
        self.words = {
            "agent": agent.native_id,
            "secret": self.secret,
            "today": rfc3339(timezone.now()),
        }

    def native(self, path: str, prefix: str) -> str:
        return native_id(prefix, self.rows[path].pk)

    def row_of(self, kind: str) -> Model:
        """Of theirs, or of the server's operators."""
        if kind == "auth/user":
            return User.objects.get_or_create(username="xerxes", is_superuser=True)[0]
        if kind == "auth/group":
            return Group.objects.get(name="Support")
        if kind == "operations/alertrule":
            return AlertRule.objects.get(kind="credits_low")
        return self.rows[kind]

    def all_there_is(self) -> dict[str, Any]:
        """Every row of theirs, with every value."""
        found: dict[str, Any] = {}
        for path, pages in every_admin().items():
            if pages.account_path:
                rows = pages.model._default_manager.filter(**{pages.account_path: self.account.pk})
                found[path] = sorted(map(repr, rows.values()))
        return found

    def are_in(self, text: str) -> list[str]:
        """What of theirs a text gives away."""
        ids = [row.pk for row in self.rows.values() if isinstance(row.pk, UUID)]
        told = ["Xenophon", *(str(id) for id in ids), *(id.hex for id in ids)]
        return [one for one in told if one in text]
