"""Notices arrive: by mail and at the operator's webhook, at least once, whatever is down."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from agents.models import Account, Agent
from operations.models import Incident, Notice
from operations.notices import write_tests
from operations.tasks import alert
from tests.e2e.product import free_port
from tests.mail_server import MailServer, receiving_mail
from tests.operations.watching import Watch, told
from tests.operator import Operator
from tests.receiver import Receiver, Reply
from tests.webhooks.telling import tell
from webhooks.delivery import deliveries
from webhooks.models import Attempt, Subscription
from webhooks.services import subscribe
from webhooks.signing import new_secret, trillet_signature

SECRET = new_secret()


@pytest.fixture
def webhook(watch: Watch, account: Account) -> Subscription:
    """One that is disabled: the next look opens an incident."""
    hook, _ = subscribe(account, url="https://hooks.example.org/", events=["call.completed"])
    Subscription.objects.update(status="disabled", status_reason="gone")
    return hook


@pytest.fixture
def ops(settings: Any, receiver: Receiver) -> Receiver:
    """Where the operator is told instead of by mail."""
    settings.ALERT_EMAILS = []
    settings.OPERATOR_WEBHOOK_URL, settings.OPERATOR_WEBHOOK_SECRET = receiver.url, SECRET
    return receiver


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    with receiving_mail() as server:
        use_smtp(settings, port=server.port)
        yield server


def use_smtp(settings: Any, *, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.DEFAULT_FROM_EMAIL = "Outdial <outdial@example.org>"


# The webhook --------------------------------------------------------------------------------------


def test_the_webhook_is_signed_as_any_other(
    watch: Watch, webhook: Subscription, ops: Receiver
) -> None:
    watch.look()

    (received,) = ops.requests
    incident = Incident.objects.get()
    body = received.json
    assert received.headers["x-trillet-signature"] == trillet_signature(
        received.body, secret=SECRET
    )
    assert received.headers["webhook-id"] == body["id"]
    assert received.headers["user-agent"].startswith("Outdial/")
    assert body["event"] == "alert.opened"
    assert body["data"] == {
        "incidentId": incident.native_id,
        "alert": "webhook_disabled",
        "subject": str(webhook.id),
        "accountId": str(webhook.account_id),
        "title": "A webhook of Clinic is disabled",
        "text": "hooks.example.org: The endpoint answered 410 Gone: it wants to hear no more. "
        "Zapier does so when a Zap is turned off.",
        "urgent": True,
        "url": f"http://127.0.0.1:8000/admin/webhooks/subscription/{webhook.id}/change/",
        "openedAt": "2026-03-01T14:07:00Z",
        "resolvedAt": None,
    }

    Subscription.objects.update(status="enabled")
    watch.wait()

    over = ops.requests[1].json
    assert over["event"] == "alert.resolved"
    assert over["id"] != body["id"]
    assert over["data"]["incidentId"] == incident.native_id
    assert over["data"]["resolvedAt"] == "2026-03-01T14:08:00Z"


def test_the_public_library_verifies_it(db: None, account: Account, ops: Receiver) -> None:
    subscribe(account, url="https://hooks.example.org/", events=["call.completed"])
    Subscription.objects.update(status="disabled")
    alert()
    assert ops.requests[0].verify(SECRET)["event"] == "alert.opened"


def test_an_endpoint_that_was_down_is_told_the_same_later(
    watch: Watch, webhook: Subscription, ops: Receiver
) -> None:
    ops.reply = lambda received: Reply(status=503)
    watch.look()
    watch.wait(minutes=3)
    assert told("webhook") == [("opened", "pending")]
    tries = len(ops.requests)
    assert tries > 1

    ops.reply = lambda received: Reply()
    watch.wait(minutes=8)

    assert told("webhook") == [("opened", "sent")]
    assert len(ops.requests) == tries + 1
    assert len({(one.headers["webhook-id"], one.body) for one in ops.requests}) == 1


def test_it_is_tried_for_a_day_and_then_shown(
    watch: Watch, webhook: Subscription, ops: Receiver
) -> None:
    ops.reply = lambda received: Reply(status=500)
    began = timezone.now()
    watch.look()
    for _ in range(12):
        due = Notice.objects.get().next_attempt_at
        if due is None:
            break
        watch.clock.move_to(due + timedelta(seconds=1))
        alert()

    assert told("webhook") == [("opened", "failed")]
    assert len(ops.requests) == 10
    assert timedelta(hours=18) < timezone.now() - began < timedelta(hours=30)
    operator = Operator()
    assert "1 notice of alerts could not be sent" in operator.read("")
    page = operator.read(f"operations/incident/{Incident.objects.get().id}/change/")
    assert "The server answered with an error" in page
    assert "10 attempts" in page


def test_the_operators_own_target_is_not_a_strangers(
    watch: Watch, webhook: Subscription, ops: Receiver, agent: Agent, settings: Any
) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = []
    Subscription.objects.update(status="enabled", url=ops.url)
    watch.look()
    tell(agent)
    deliveries().run(linger=0)
    assert Attempt.objects.get().failure == "url_refused"
    assert ops.requests == []

    Subscription.objects.update(status="disabled")
    watch.wait()

    assert [one.json["event"] for one in ops.requests] == ["alert.opened"]


def test_redirects_are_not_followed(watch: Watch, webhook: Subscription, ops: Receiver) -> None:
    ops.reply = lambda received: Reply(status=302, headers={"Location": ops.url})
    watch.look()
    assert Notice.objects.get().failure == "redirect_refused"
    assert len(ops.requests) == 1


# Mail ---------------------------------------------------------------------------------------------


def test_a_mail_goes_to_everybody(
    watch: Watch, webhook: Subscription, mail_server: MailServer, settings: Any
) -> None:
    settings.ALERT_EMAILS = ["ops@example.org", "Ada <ada@example.org>"]
    watch.look()

    lines = [line.lower().partition(" size=")[0] for line in mail_server.envelopes[0]]
    assert lines == [
        "mail from:<outdial@example.org>",
        "rcpt to:<ops@example.org>",
        "rcpt to:<ada@example.org>",
    ]
    (sent,) = mail_server.mails
    assert sent["Subject"] == "[Outdial] Alert: A webhook of Clinic is disabled"
    assert sent["From"] == "Outdial <outdial@example.org>"
    assert sent["To"] == "ops@example.org, Ada <ada@example.org>"
    assert sent["Message-ID"] == f"<{Notice.objects.get().id.hex}@example.org>"
    text = sent.get_payload()
    assert f"http://127.0.0.1:8000/admin/webhooks/subscription/{webhook.id}/change/" in text
    assert "What to do: Have the endpoint repaired" in text


def test_a_mail_server_that_was_down_is_given_it_later(
    watch: Watch, webhook: Subscription, settings: Any
) -> None:
    port = free_port()
    use_smtp(settings, port=port)
    watch.look()
    notice = Notice.objects.get()
    assert (notice.status, notice.failure) == ("pending", "mail_not_connected")

    with receiving_mail(port) as server:
        watch.wait(minutes=3)
        assert [one["Message-ID"] for one in server.mails] == [f"<{notice.id.hex}@example.org>"]
    assert told() == [("opened", "sent")]


class Killing(EmailBackend):
    """The mail is gone, and whoever sent it does not live to write that down."""

    def send_messages(self, messages: Any) -> int:
        super().send_messages(messages)
        raise SystemExit


def test_a_worker_that_died_leaves_it_to_the_next(
    watch: Watch, webhook: Subscription, settings: Any
) -> None:
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Killing"
    with pytest.raises(SystemExit):
        watch.look()
    settings.EMAIL_BACKEND = usual
    watch.wait(minutes=9)
    assert (told(), len(mail.outbox)) == ([("opened", "pending")], 1)
    watch.wait(minutes=2)

    assert (told(), len(mail.outbox)) == ([("opened", "sent")], 2)
    first, second = mail.outbox
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    assert first.body == second.body


class Slow(EmailBackend):
    """Takes its time with each mail; meanwhile `beside` is done."""

    takes: ClassVar[timedelta]
    clock: ClassVar[time_machine.Traveller]
    beside: ClassVar[Callable[[], None]]

    def send_messages(self, messages: Any) -> int:
        sent = super().send_messages(messages)
        self.clock.shift(self.takes)
        type(self).beside()
        return sent


@pytest.fixture
def slow(watch: Watch, settings: Any) -> type[Slow]:
    settings.EMAIL_BACKEND = f"{__name__}.Slow"
    Slow.clock, Slow.beside = watch.clock, lambda: None
    return Slow


def waiting(count: int) -> list[Notice]:
    return [write_tests(now=timezone.now())[0] for _ in range(count)]


def ids() -> list[str]:
    return [one.extra_headers["Message-ID"] for one in mail.outbox]


def test_a_long_run_is_alone_with_what_it_claimed(slow: type[Slow], settings: Any) -> None:
    waiting(60)
    slow.takes = timedelta(seconds=14)

    def another_worker() -> None:
        if len(mail.outbox) == 59:  # 13 minutes after the run began
            settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
            alert()

    slow.beside = another_worker
    alert()

    assert len(ids()) == len(set(ids())) == 60
    assert told() == [("test", "sent")] * 60


def test_what_a_slow_server_takes_is_not_sent_again(watch: Watch, slow: type[Slow]) -> None:
    waiting(5)
    slow.takes = timedelta(minutes=2)
    alert()
    # None is begun after half of the lease, which would end before a mail does.
    assert told() == [("test", "sent")] * 3 + [("test", "pending")] * 2
    slow.takes = timedelta()
    alert()
    assert len(ids()) == 3
    watch.wait(minutes=5)
    assert len(ids()) == len(set(ids())) == 5


def test_each_mail_is_written_down_as_it_was_sent(slow: type[Slow]) -> None:
    waiting(3)
    slow.takes = timedelta()
    written = []
    slow.beside = lambda: written.append(Notice.objects.filter(status="sent").count())
    alert()
    assert written == [0, 1, 2]


def test_one_mail_that_cannot_be_made_holds_no_other_up(watch: Watch) -> None:
    middle = sorted(one.id for one in waiting(5))[2]
    Notice.objects.filter(id=middle).update(headline="Two\nlines")
    alert()
    assert [status for _, status in told()] == ["sent", "sent", "pending", "sent", "sent"]
    watch.wait(minutes=2)
    assert len(ids()) == len(set(ids())) == 4
    assert Notice.objects.get(status="pending").failure == "not_sent"


def test_addresses_that_are_refused_are_named(
    watch: Watch, webhook: Subscription, mail_server: MailServer
) -> None:
    mail_server.answer = "550 Unknown"
    watch.look()
    assert Notice.objects.get().failure == "mail_recipients_refused"
    incident = Incident.objects.get()
    page = Operator().read(f"operations/incident/{incident.id}/change/")
    assert "takes no mail for any address of ALERT_EMAILS" in page


def test_one_channel_does_not_wait_for_the_other(
    watch: Watch, webhook: Subscription, ops: Receiver, settings: Any
) -> None:
    settings.ALERT_EMAILS = ["ops@example.org"]
    settings.EMAIL_BACKEND = "no.such.Backend"
    watch.look()
    assert (told(), told("webhook")) == ([("opened", "pending")], [("opened", "sent")])
    assert Notice.objects.get(channel="email").failure == "not_sent"


def test_who_is_named_no_more_is_not_told(
    watch: Watch, webhook: Subscription, mail_server: MailServer, settings: Any
) -> None:
    mail_server.answer = "450 Later"
    watch.look()
    settings.ALERT_EMAILS = []
    watch.wait(minutes=3)
    assert Notice.objects.get().failure == "not_configured"
    assert mail.outbox == []
