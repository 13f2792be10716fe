"""Sending notices: at least once, with the same id, until they are taken or a day has passed.

A claim is a lease: what a worker that died had claimed comes due again.
"""

import queue
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone

from core import http
from core.backoff import delay_after
from core.ids import new_id
from core.version import VERSION
from operations.models import Notice
from operations.notices import message_id
from webhooks.signing import signature_headers

log = structlog.get_logger(__name__)

# The wait before each attempt: a day in all.
RETRIES = (
    timedelta(),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=8),
)
# Longer than a batch takes. Posts go side by side, each within 15 seconds. Mails go one by one, and
# none is begun in the second half of the lease. That half is enough for one: each of its steps ends
# within EMAIL_TIMEOUT, and there are few more of them than addresses in ALERT_EMAILS.
LEASE = timedelta(minutes=10)
BATCH = 20
NOT_CONFIGURED, NOT_SENT = "not_configured", "not_sent"

# Each notice once it was tried, and why it could not be sent; empty where it was.
Outcomes = Iterator[tuple[Notice, str]]
Send = Callable[[Sequence[Notice]], Outcomes]


def send_due() -> None:
    """Send what is due over each channel, and write down what came of it."""
    for channel, send in SENDERS.items():
        while notices := _claim(channel):
            if not _send(notices, send):
                break  # what else waits is not for a server that is down, or slow


def _send(notices: Sequence[Notice], send: Send) -> bool:
    """Whether all of them were taken. Each is written down at once: it is not sent again."""
    untold, failed = {notice.id: notice for notice in notices}, False
    try:
        for notice, failure in send(notices):
            del untold[notice.id]
            _record(notice, failure)
            failed = failed or bool(failure)
    except Exception:
        # Whatever it is, tries have to be counted, and the other channel has its turn.
        log.exception("notices_not_sent", notices=len(untold))
        for notice in untold.values():
            _record(notice, NOT_SENT)
    # What was not begun comes due again with its lease.
    return not failed and not untold


def _claim(channel: str) -> list[Notice]:
    # Of this batch: the ones before it may have taken longer than a lease.
    token, now = new_id(), timezone.now()
    due = Notice.objects.filter(
        channel=channel, status=Notice.Status.PENDING, next_attempt_at__lte=now
    )
    with transaction.atomic():
        first = due.order_by("next_attempt_at", "id").select_for_update(skip_locked=True)
        ids = list(first.values_list("id", flat=True)[:BATCH])
        due.filter(id__in=ids).update(lease_token=token, next_attempt_at=now + LEASE)
    return list(Notice.objects.filter(id__in=ids, lease_token=token).order_by("id"))


def _record(notice: Notice, failure: str) -> None:
    now = timezone.now()
    delay = delay_after(notice.attempts + 1, schedule=RETRIES) if failure else None
    status = Notice.Status.SENT if not failure else Notice.Status.FAILED
    # Only where our lease still stands: a slow sender must not undo what a later one did.
    Notice.objects.filter(id=notice.id, lease_token=notice.lease_token).update(
        attempts=notice.attempts + 1,
        failure=failure,
        status=Notice.Status.PENDING if delay else status,
        next_attempt_at=now + delay if delay else None,
        ended_at=None if delay else now,
        lease_token=None,
    )
    if failure:
        log.warning("notice_not_sent", notice=str(notice.id), failure=failure)


# E-mail -------------------------------------------------------------------------------------------


def send_mails(notices: Sequence[Notice]) -> Outcomes:
    if not settings.ALERT_EMAILS:
        yield from _all(notices, NOT_CONFIGURED)
        return
    until = timezone.now() + LEASE / 2
    connection = get_connection()
    try:
        connection.open()
    except OSError as error:
        yield from _all(notices, name_of_mail_failure(error))
        return
    with closing(connection):
        for notice in notices:
            if timezone.now() >= until:
                return
            yield notice, _send_mail(notice, connection)


def _all(notices: Sequence[Notice], failure: str) -> Outcomes:
    return ((notice, failure) for notice in notices)


def _send_mail(notice: Notice, connection: BaseEmailBackend) -> str:
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    mail = EmailMessage(
        subject=notice.headline,
        body=notice.body,
        to=settings.ALERT_EMAILS,
        headers={"Message-ID": f"<{notice.id.hex}@{domain}>", "Auto-Submitted": "auto-generated"},
        connection=connection,
    )
    try:
        mail.send()
    except OSError as error:
        return name_of_mail_failure(error)
    except Exception:
        # One that no mail can be made of is its own trouble: the others go.
        log.exception("mail_not_sent", notice=str(notice.id))
        return NOT_SENT
    return ""


def name_of_mail_failure(error: OSError) -> str:
    """The stable name under which it is stored; what the server said may hold anything."""
    return next((name for kind, name in _MAIL_FAILURES if isinstance(error, kind)), "mail_failed")


_MAIL_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (smtplib.SMTPAuthenticationError, "mail_login_refused"),
    (smtplib.SMTPRecipientsRefused, "mail_recipients_refused"),
    (smtplib.SMTPSenderRefused, "mail_sender_refused"),
    (smtplib.SMTPServerDisconnected, "mail_connection_closed"),
    (smtplib.SMTPException, "mail_refused"),
    (TimeoutError, "mail_timeout"),
    (ssl.SSLError, "mail_tls_failed"),
    (OSError, "mail_not_connected"),
)


# Webhook ------------------------------------------------------------------------------------------


def send_posts(notices: Sequence[Notice]) -> Outcomes:
    if not settings.OPERATOR_WEBHOOK_URL:
        yield from _all(notices, NOT_CONFIGURED)
        return
    answers: queue.SimpleQueue[tuple[Notice, str]] = queue.SimpleQueue()
    http.client().post_all(
        (_post(notice), partial(_answered, answers, notice)) for notice in notices
    )
    for _ in notices:
        yield answers.get()  # each is called, within its limit of time


def _post(notice: Notice) -> http.Outgoing:
    body = notice.body.encode()
    signed = signature_headers(
        body,
        message_id=message_id(notice),
        timestamp=int(timezone.now().timestamp()),
        signing_secrets=[settings.OPERATOR_WEBHOOK_SECRET],
    )
    headers = {"Content-Type": "application/json", "User-Agent": f"Outdial/{VERSION}", **signed}
    return http.Outgoing(
        url=settings.OPERATOR_WEBHOOK_URL, headers=headers, body=body, is_operators=True
    )


def _answered(
    answers: "queue.SimpleQueue[tuple[Notice, str]]", notice: Notice, answer: http.Answer
) -> None:
    answers.put((notice, answer.failure))


SENDERS: dict[str, Send] = {
    Notice.Channel.EMAIL: send_mails,
    Notice.Channel.WEBHOOK: send_posts,
}

FAILURES = {
    NOT_SENT: "It failed in a way that has no name. The worker's log knows more.",
    NOT_CONFIGURED: "Nobody is named any more whom it could be sent to.",
    "mail_login_refused": "The mail server did not accept the user or password of EMAIL_URL.",
    "mail_recipients_refused": "The mail server takes no mail for any address of ALERT_EMAILS.",
    "mail_sender_refused": "The mail server takes no mail from DEFAULT_FROM_EMAIL.",
    "mail_connection_closed": "The mail server hung up.",
    "mail_refused": "The mail server refused the mail.",
    "mail_timeout": "The mail server did not answer in time.",
    "mail_tls_failed": "No secure connection to the mail server could be made.",
    "mail_not_connected": "The mail server could not be reached. Check EMAIL_URL.",
    "mail_failed": "The mail could not be sent.",
}
