"""What tests of the webhook controls share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from agents.models import Agent
from tests.receiver import Received, Receiver, Reply
from webhooks.events import CALL_COMPLETED
from webhooks.models import Delivery
from webhooks.services import publish

URL = "/api/v1/webhooks"
DELIVERIES = "/api/v1/deliveries"


def tell(agent: Agent, number: int = 1) -> Delivery:
    """An event of the agent's, on its way to its one subscription."""
    event = publish(CALL_COMPLETED, agent=agent, data={"callId": f"call_{number}"})
    return Delivery.objects.get(event=event)


def answer_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def hanging_until(other: Receiver, *, has: int) -> Callable[[Received], Reply]:
    """Answers nothing before the other has so many requests; for ten seconds at most."""

    def reply(received: Received) -> Reply:
        for _ in range(1000):
            if len(other.requests) >= has:
                break
            time.sleep(0.01)
        return Reply()

    return reply


@contextmanager
def pruned_before_an_update() -> Iterator[None]:
    """All deliveries are gone, for their age, when somebody is about to change one."""

    def prune(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "webhooks_delivery"'):
            Delivery.objects.all().delete()
        return execute(sql, *rest)

    with connection.execute_wrapper(prune):
        yield
