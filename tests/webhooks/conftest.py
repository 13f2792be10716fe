"""A native webhook at a real receiver."""

import pytest

from agents.models import Account
from tests.receiver import Receiver
from tests.webhooks.telling import URL
from webhooks.events import CALL_COMPLETED
from webhooks.models import Subscription
from webhooks.services import subscribe


@pytest.fixture
def webhook(account: Account, receiver: Receiver) -> Subscription:
    return subscribe(account, url=receiver.url, events=[CALL_COMPLETED])[0]


@pytest.fixture
def path(webhook: Subscription) -> str:
    """Where the API has it."""
    return f"{URL}/{webhook.native_id}"
