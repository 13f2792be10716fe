"""Receivers that keep what they are told, each of one subscription, and fail when in the mood."""

import hashlib
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.faults.records import Listener, Told
from tests.receiver import Received, Receiver, Reply

# Longer than the product waits for a receiver.
HANGS_SECONDS = 17


class Minutes(list[Any]):
    """In place of a receiver's requests: of each only what the checks need is kept."""

    def __init__(self, keep: Callable[[Received], None]) -> None:
        super().__init__()
        self._keep = keep

    def append(self, received: Received) -> None:
        self._keep(received)


@dataclass
class Hearing:
    """One subscription's receiver. `mood` is how it answers: well, `fails`, `hangs` or `cuts`."""

    listener: Listener
    receiver: Receiver
    secret: str = ""
    mood: str = ""
    told: list[Told] = field(default_factory=list)
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.receiver.requests = Minutes(self._keep)
        self.receiver.reply = self._reply

    def _keep(self, received: Received) -> None:
        body = json.loads(received.body)
        data = body.get("data", body)
        one = Told(
            listener=self.listener.name,
            event_id=received.headers["webhook-id"],
            type=body.get("event", ""),
            call_id=data.get("callId") or f"call_{data['call_id'].replace('-', '')}",
            status=data.get("status", ""),
            digest=hashlib.sha256(received.body).hexdigest(),
            is_signed=self._is_signed(received),
        )
        with self._lock:
            self.told.append(one)

    def _is_signed(self, received: Received) -> bool:
        if not self.secret:
            return True  # Zapier is shown no secret
        try:
            Webhook(self.secret).verify(received.body, received.headers)
        except WebhookVerificationError:
            return False
        return True

    def _reply(self, received: Received) -> Reply:
        if self.mood == "fails":
            return Reply(status=self.dice.choice([500, 502, 503, 429]))
        if self.mood == "hangs":
            return Reply(delay=HANGS_SECONDS)
        return Reply()
