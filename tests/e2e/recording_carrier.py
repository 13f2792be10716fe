"""A carrier as one is outside: asked over HTTP, with its own memory of what it was asked."""

import os
from datetime import datetime, timedelta

import requests
from django.utils import timezone
from urllib3.exceptions import NewConnectionError

from calls.carriers.base import Accepted, Carrier, CarrierError, CarrierUncertain, DialOrder
from calls.models import DialStatus
from calls.reports import Report, Snapshot

LOOK_AGAIN = timedelta(seconds=0.3)
TIMEOUT_SECONDS = 8


class RecordingCarrier(Carrier):
    def dial(self, order: DialOrder) -> Accepted:
        asked = {"id": order.dial_id.hex, "number": order.to_number}
        try:
            answer = requests.post(self._url, json=asked, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            if _is_unconnected(error):
                raise CarrierError("It is down", permanent=False, reason="carrier_down") from None
            raise CarrierUncertain(str(error)) from None
        if answer.status_code == 429:
            raise CarrierError("It is busy", permanent=False, reason="carrier_busy")
        if not answer.ok:
            raise CarrierUncertain(f"It answered {answer.status_code}")
        return Accepted(carrier_id=order.dial_id.hex, look_at=timezone.now() + LOOK_AGAIN)

    def fetch(self, order: DialOrder) -> Snapshot | None:
        try:
            answer = requests.get(f"{self._url}/{order.dial_id.hex}", timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise CarrierUncertain(str(error)) from None
        if answer.status_code == 404:
            return None
        reports = tuple(
            Report(status=DialStatus(status), at=datetime.fromisoformat(at))
            for status, at in answer.json()
        )
        return Snapshot(reports=reports, look_at=timezone.now() + LOOK_AGAIN)

    def hang_up(self, order: DialOrder) -> None:
        requests.delete(f"{self._url}/{order.dial_id.hex}", timeout=TIMEOUT_SECONDS)

    @property
    def _url(self) -> str:
        return os.environ["SWITCHBOARD_URL"] + "/dials"


def _is_unconnected(error: requests.RequestException) -> bool:
    """Whether it is certain that no request went out."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)
