"""Every secret that a full day makes is shown once, and found nowhere afterwards."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from agents.models import Account
from tests.config.pages import every_admin
from tests.factories import NUMBER, Api, make_key
from tests.operator import Operator
from tests.receiver import Receiver

Work = Callable[..., None]

PASSWORD = "a battery staple of horses"
TOKEN = "auth-token-of-the-carrier"


class Day:
    """What an account and its operator do, and what they are shown on the way."""

    def __init__(self, account: Account, *, receiver: Receiver, work: Work) -> None:
        self.account, self.receiver, self.work = account, receiver, work
        self.operator = Operator()
        self.secrets: dict[str, str] = {"password": PASSWORD, "token": TOKEN}
        self.answers: list[str] = []

    def api(self, key: str) -> Api:
        return Api(self.secrets[key])

    def shown(self, name: str, answer: Any) -> dict[str, Any]:
        """Keep the secret that an answer shows, which is the one place where it may stand."""
        body: dict[str, Any] = answer.json()
        self.secrets[name] = body["secret"]
        return body

    def hears(self, answer: Any) -> Any:
        self.answers.append(answer.content.decode())
        return answer

    def make(self) -> None:
        for mode in ("live", "test"):
            self.secrets[f"{mode} key"] = make_key(self.account, mode=mode)
        api = self.api("test key")
        self.agent = self.shown("agent secret", api.post("/api/v1/agents", AGENT))["id"]
        hook = {"url": self.receiver.url, "events": ["call.completed"]}
        self.hook = self.shown("webhook secret", api.post("/api/v1/webhooks", hook))["id"]
        sid = "AC" + "0" * 32
        credentials = {"twilio_account_sid": sid, "twilio_auth_token": TOKEN, "carrier": "twilio"}
        path = "calls/carriercredentials/add/"
        assert self.operator.post(path, account=self.account.pk, **credentials).status_code == 302

    def rotate(self) -> None:
        api = self.api("live key")
        path = f"/api/v1/agents/{self.agent}/rotate-secret"
        self.shown("new agent secret", api.post(path))
        path = f"/api/v1/webhooks/{self.hook}/rotate-secret"
        self.shown("new webhook secret", api.post(path))
        key = self.account.api_keys.get(mode="live")
        page = self.operator.post(f"agents/apikey/{key.pk}/rotate/", overlap="0")
        self.secrets["new key"] = page.context["secret"]

    def use(self) -> None:
        api = self.api("test key")
        for last in ("0123", "0109", "0104"):
            order = {"agentId": self.agent, "toNumber": f"+1415555{last}"}
            self.hears(api.post("/api/v1/calls/send", order))
        agent = {"agent_id": self.agent, "agent_secret": self.secrets["new agent secret"]}
        self.hears(api.get(f"/api/zapier/auth/test?{_query(agent)}"))
        zap = {**agent, "callback_url": f"{self.receiver.url}/zap"}
        self.hears(api.post("/api/zapier/subscribe/call-completed", zap))
        self.hears(api.post(f"/api/v1/webhooks/{self.hook}/test"))
        self.work()

    def go_wrong(self) -> None:
        """Secrets in every place where they are not expected."""
        for secret in self.secrets.values():
            self.hears(Api(f"{secret}x").get("/api/v1/account"))
            self.hears(self.api("test key").post("/api/v1/calls/send", {"agentId": secret}))
            login = {"username": "olivia", "password": secret}
            self.hears(Client().post("/admin/login/", login))

    def look(self) -> None:
        self.hears(self.api("test key").get(f"/api/v1/webhooks/{self.hook}"))
        self.hears(self.api("test key").get(f"/api/v1/agents/{self.agent}"))
        self.hears(self.operator.get(""))
        for path, pages in every_admin().items():
            self.hears(self.operator.get(f"{path}/"))
            for row in pages.model._default_manager.all()[:5]:
                for page in ("change", "history"):
                    self.hears(self.operator.get(f"{path}/{row.pk}/{page}/"))


AGENT = {"name": "Reminders", "defaultNumber": "+14155550100"}


def _query(fields: dict[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in fields.items())


def dump() -> str:
    rows = [list(model._default_manager.values()) for model in apps.get_models()]
    return json.dumps(rows, default=str)


def test_a_day_leaves_no_secret_behind(
    account: Account, receiver: Receiver, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    day = Day(account, receiver=receiver, work=work)

    day.make()
    day.rotate()
    day.use()
    day.go_wrong()
    day.look()

    assert len(day.secrets) == 9
    assert len(receiver.requests) >= 3
    logged = "\n".join([caplog.text, *(repr(vars(record)) for record in caplog.records)])
    assert "request_failed" in logged
    kept, seen = dump(), "\n".join(day.answers)
    assert NUMBER in kept
    for name, secret in day.secrets.items():
        assert secret not in kept, f"{name} in the database"
        assert secret not in logged, f"{name} in the logs"
        assert secret not in seen, f"{name} shown"
