"""Carriers that report about messages by themselves."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from agents.models import Account
from calls.carriers.base import Callback, CallbackRefused, Carrier, HeardOfMessage, MessageOrder
from calls.models import CarrierCredentials, Message, MessageStatus
from calls.reports import MessageReport
from core.ids import new_id
from tests.factories import NUMBER, Api, make_agent
from webhooks.models import Event


class TellingCarrier(Carrier):
    """One whose callbacks name the status in a field, and its secret in a header."""

    def hear_of_message(self, callback: Callback, order: MessageOrder) -> HeardOfMessage:
        if callback.headers.get("X-Secret") != order.credentials["secret"]:
            raise CallbackRefused("Wrong secret", is_forged=True)
        status = callback.fields.get("status")
        if status not in MessageStatus.values:
            raise CallbackRefused("No status", is_forged=False)
        report = MessageReport(MessageStatus(status), timezone.now(), reason=callback.topic)
        return HeardOfMessage(
            reports=(report,),
            carrier_id=callback.fields.get("id", ""),
            body="<ok/>",
            content_type="text/xml",
        )


@pytest.fixture
def message(api: Api, account: Account) -> Iterator[Message]:
    settings.CARRIERS["telling"] = f"{__name__}.TellingCarrier"
    own = CarrierCredentials(account=account, carrier="telling")
    own.keep({"secret": "s3cret"})
    own.save()
    agent = make_agent(account, carrier="telling")
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"}
    api.post("/api/v1/sms/send", body)
    yield Message.objects.get()
    del settings.CARRIERS["telling"]


def report(message: Message, *, topic: str = "", secret: str = "s3cret", **fields: str) -> object:
    url = f"/carriers/telling/messages/{message.id}{topic and '/' + topic}"
    answer = Client().post(url, fields, headers={"X-Secret": secret})
    message.refresh_from_db()
    return answer.status_code, answer.content.decode(), answer["Content-Type"]


def test_a_report_is_taken_and_answered_as_the_carrier_wants(message: Message) -> None:
    assert report(message, status="sent", id="SM1") == (200, "<ok/>", "text/xml")
    assert (message.status, message.carrier_id) == ("sent", "SM1")
    report(message, topic="blocked", status="failed", id="SM2")
    assert (message.status, message.reason, message.carrier_id) == ("failed", "blocked", "SM1")
    told = Event.objects.order_by("created_at", "id").values_list("type", flat=True)
    assert list(told) == ["sms.sent", "sms.failed"]


def test_a_forged_or_unreadable_report_changes_nothing(message: Message) -> None:
    assert report(message, secret="wrong", status="sent") == (401, "Wrong secret", "text/plain")
    assert report(message, status="eaten") == (400, "No status", "text/plain")
    large = report(message, status="sent", more="x" * 1024 * 1024)
    assert large == (400, "It is larger than 1 MiB", "text/plain")
    assert message.status == "queued"
    assert not Event.objects.exists()


def test_a_form_in_no_character_set_is_refused(message: Message) -> None:
    url = f"/carriers/telling/messages/{message.id}"
    body = b'--b\r\nContent-Disposition: form-data; name="status"\r\n\r\nsent\r\n--b--\r\n'
    for charset, status in (("hex", 400), ("utf-8", 200)):
        kind = f"multipart/form-data; boundary=b; charset={charset}"
        answer = Client().generic("POST", url, body, kind, headers={"X-Secret": "s3cret"})
        assert answer.status_code == status


@pytest.mark.parametrize("carrier", ["simulated", "elsewhere"])
def test_another_carriers_address_is_not_there(message: Message, carrier: str) -> None:
    url = f"/carriers/{carrier}/messages/{message.id}"
    assert Client().post(url, {"status": "sent"}).status_code == 404


def test_a_message_that_is_not_there(message: Message) -> None:
    url = f"/carriers/telling/messages/{new_id()}"
    assert Client().post(url, {"status": "sent"}).status_code == 404


def test_a_carrier_that_reports_nothing_by_itself(test_api: Api, account: Account) -> None:
    agent = make_agent(account)
    body = {"agentId": agent.native_id, "toNumber": NUMBER, "message": "Hello"}
    test_api.post("/api/v1/sms/send", body)
    message = Message.objects.get()
    url = f"/carriers/simulated/messages/{message.id}"
    assert Client().post(url, {"status": "sent"}).status_code == 401
