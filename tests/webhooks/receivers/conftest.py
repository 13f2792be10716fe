"""A webhook, and real deliveries to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from agents.models import Account, Agent
from core import secrets
from tests.receiver import Received, Receiver
from webhooks import services
from webhooks.events import CALL_COMPLETED
from webhooks.models import Subscription
from webhooks.signing import new_secret


@dataclass(frozen=True)
class Endpoint:
    secret: str
    agent: Agent
    receiver: Receiver
    work: Callable[..., None]
    clock: time_machine.Traveller

    def deliver(self, *, ago: timedelta = timedelta(0)) -> Received:
        """A delivery as it arrived, `ago` before now."""
        self.clock.shift(-ago)
        data = {"callId": "call_1", "name": "Zoë 🎉", "text": 'it\'s \\ "50%" $HOME\n'}
        services.publish(CALL_COMPLETED, agent=self.agent, data=data)
        self.work(for_=timedelta(0))
        self.clock.shift(ago)
        return self.receiver.requests[-1]

    def rotate(self) -> str:
        """The new secret, which signs beside the old one from now on."""
        new = new_secret()
        Subscription.objects.update(
            encrypted_old_secret=secrets.encrypt(self.secret),
            old_secret_until=timezone.now() + timedelta(hours=24),
            encrypted_secret=secrets.encrypt(new),
        )
        return new


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Nearly the time of everybody else, for receivers look at their own clocks."""
    with time_machine.travel(timezone.now(), tick=True) as coordinates:
        yield coordinates


@pytest.fixture
def endpoint(
    account: Account,
    agent: Agent,
    receiver: Receiver,
    work: Callable[..., None],
    clock: time_machine.Traveller,
) -> Endpoint:
    secret = services.subscribe(account, url=receiver.url, events=[CALL_COMPLETED])[1]
    return Endpoint(secret=secret, agent=agent, receiver=receiver, work=work, clock=clock)
