"""`POST webhooks/{id}/rotate-secret`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from core import secrets
from tests.factories import Api
from tests.receiver import Receiver
from tests.webhooks.telling import tell
from webhooks import controls
from webhooks.models import Subscription

Work = Callable[..., None]


def test_rotated_secret_and_the_one_before_sign_for_a_day(
    api: Api,
    agent: Agent,
    webhook: Subscription,
    path: str,
    receiver: Receiver,
    work: Work,
    clock: time_machine.Traveller,
) -> None:
    old = secrets.decrypt(webhook.encrypted_secret)
    answer = api.post(f"{path}/rotate-secret")
    new = answer.json()["secret"]
    assert (answer.status_code, list(answer.json())) == (200, ["secret"])
    assert new.startswith("whsec_")
    assert new != old
    assert new not in str(Subscription.objects.values().get())

    tell(agent)
    work(for_=timedelta(seconds=1))
    for secret in (old, new):
        assert receiver.requests[0].verify(secret)

    clock.shift(timedelta(hours=24))
    tell(agent, 2)
    work(for_=timedelta(seconds=1))
    assert len(receiver.requests[1].headers["webhook-signature"].split()) == 1
    webhook.refresh_from_db()
    assert webhook.signing_secrets(now=timezone.now()) == [new]


def test_rotating_twice_keeps_the_newest_and_the_one_before(
    api: Api, webhook: Subscription, path: str
) -> None:
    first = api.post(f"{path}/rotate-secret").json()["secret"]
    second = api.post(f"{path}/rotate-secret").json()["secret"]
    webhook.refresh_from_db()
    assert webhook.signing_secrets(now=timezone.now()) == [first, second]


@pytest.mark.django_db(transaction=True)
def test_rotating_at_once_loses_no_secret(webhook: Subscription) -> None:
    def rotate(_: int) -> str:
        try:
            return controls.rotate_secret(webhook)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(rotate, range(4)))
    webhook.refresh_from_db()
    kept = webhook.signing_secrets(now=timezone.now())
    assert len(set(kept)) == 2
    assert set(kept) < set(made)
