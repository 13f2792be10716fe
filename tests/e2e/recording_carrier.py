"""A carrier as one is outside: asked over HTTP, with its own memory of what it was asked."""

import os
from datetime import datetime, timedelta

import requests
from django.utils import timezone
from urllib3.exceptions import NewConnectionError

from calls.carriers.base import (
    Accepted,
    Carrier,
    CarrierError,
    CarrierUncertain,
    DialOrder,
    MessageOrder,
)
from calls.models import DialStatus, MessageStatus
from calls.reports import MessageReport, MessageSnapshot, Report, Snapshot

LOOK_AGAIN = timedelta(seconds=0.3)
TIMEOUT_SECONDS = 8


class RecordingCarrier(Carrier):
    def dial(self, order: DialOrder) -> Accepted:
        return self._ask(order.dial_id.hex, order.to_number)

    def fetch(self, order: DialOrder) -> Snapshot | None:
        told = self._told(order.dial_id.hex)
        if told is None:
            return None
        reports = tuple(Report(status=DialStatus(status), at=at) for status, at in told)
        return Snapshot(reports=reports, look_at=timezone.now() + LOOK_AGAIN)

    def send_sms(self, order: MessageOrder) -> Accepted:
        return self._ask(order.message_id.hex, order.to_number)

    def fetch_sms(self, order: MessageOrder) -> MessageSnapshot | None:
        told = self._told(order.message_id.hex)
        if told is None:
            return None
        reports = tuple(MessageReport(status=MessageStatus(status), at=at) for status, at in told)
        return MessageSnapshot(reports=reports, look_at=timezone.now() + LOOK_AGAIN)

    def hang_up(self, order: DialOrder) -> None:
        requests.delete(f"{self._url}/{order.dial_id.hex}", timeout=TIMEOUT_SECONDS)

    def _ask(self, id: str, number: str) -> Accepted:
        asked = {"id": id, "number": number}
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
        return Accepted(carrier_id=id, look_at=timezone.now() + LOOK_AGAIN)

    def _told(self, id: str) -> list[tuple[str, datetime]] | None:
        """What it says happened, and when; None when it never heard of it."""
        try:
            answer = requests.get(f"{self._url}/{id}", timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise CarrierUncertain(str(error)) from None
        if answer.status_code == 404:
            return None
        return [(status, datetime.fromisoformat(at)) for status, at in answer.json()]

    @property
    def _url(self) -> str:
        return os.environ["SWITCHBOARD_URL"] + "/dials"


def _is_unconnected(error: requests.RequestException) -> bool:
    """Whether it is certain that no request went out."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)
