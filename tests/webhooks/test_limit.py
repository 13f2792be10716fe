"""An account has at most so many webhooks, however they are made."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from agents.models import Account, Agent
from agents.services import rotate_agent_secret
from tests.factories import Api
from tests.operator import Operator
from webhooks.errors import WebhookLimitReached
from webhooks.models import Subscription
from webhooks.services import subscribe, subscribe_zap

HOOK = {"url": "https://hooks.example.org/outdial", "events": ["call.completed"]}
SENTENCE = "This account has 50 webhooks, the most it may have"


def fill(account: Account, *, but: int = 0) -> None:
    """As many as it may have, but so many."""
    for _ in range(settings.MAX_WEBHOOKS_PER_ACCOUNT - but):
        subscribe(account, **HOOK)  # type: ignore[arg-type]


def test_native(api: Api, stranger_api: Api, account: Account) -> None:
    fill(account, but=1)
    last = api.post("/api/v1/webhooks", HOOK)
    refused = api.post("/api/v1/webhooks", HOOK)

    assert last.status_code == 201
    assert refused.status_code == 409
    assert refused.json() == {"error": {"code": "webhook_limit_reached", "message": SENTENCE}}
    assert stranger_api.post("/api/v1/webhooks", HOOK).status_code == 201
    api.delete(f"/api/v1/webhooks/{last.json()['id']}")
    assert api.post("/api/v1/webhooks", HOOK).status_code == 201


def test_zapier(api: Api, agent: Agent) -> None:
    fill(agent.account, but=1)
    secret = rotate_agent_secret(agent)

    def ask(url: str) -> Any:
        given = {"agent_id": str(agent.id), "agent_secret": secret, "callback_url": url}
        return api.post("/api/zapier/subscribe/call-completed", given)

    first = ask("https://hooks.zapier.com/1")
    refused = ask("https://hooks.zapier.com/2")
    assert first.status_code == 201
    assert (refused.status_code, refused.json()) == (409, {"error": SENTENCE})
    # What is there already is no further one.
    assert ask("https://hooks.zapier.com/1").json() == first.json()


def test_admin(account: Account) -> None:
    operator = Operator()
    fill(account, but=1)

    operator.post("webhooks/subscription/add/", account=account.id, **HOOK)
    refused = operator.post("webhooks/subscription/add/", account=account.id, **HOOK)

    assert refused.status_code == 200
    assert f"{SENTENCE}." in refused.content.decode()
    assert Subscription.objects.count() == settings.MAX_WEBHOOKS_PER_ACCOUNT
    page = f"webhooks/subscription/{Subscription.objects.latest('id').id}/change/"
    changed = operator.post(page, status="enabled", description="CRM", **HOOK)
    assert changed.status_code == 302


@pytest.mark.django_db(transaction=True)
def test_at_once(agent: Agent) -> None:
    fill(agent.account, but=2)

    def make(number: int) -> bool:
        try:
            if number % 2:
                subscribe(agent.account, **HOOK)  # type: ignore[arg-type]
            else:
                subscribe_zap(agent, url=f"https://hooks.zapier.com/{number}")
        except WebhookLimitReached:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(make, range(8))) == 2
    assert Subscription.objects.count() == settings.MAX_WEBHOOKS_PER_ACCOUNT
